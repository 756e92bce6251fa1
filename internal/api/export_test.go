package api

import "context"

// Sweep is what runs every few minutes.
func (s *Server) Sweep(ctx context.Context) { s.sweep(ctx) }
