package activities_test

import (
	"os"
	"testing"

	"github.com/acme/connections/internal/connections/connectionstest"
	"github.com/acme/connections/internal/vault/pgtest"
)

func TestMain(m *testing.M) { os.Exit(connectionstest.Run(withPostgres{m})) }

type withPostgres struct{ m *testing.M }

// Run implements the runner of connectionstest.Run.
func (w withPostgres) Run() int { return pgtest.Run(w.m) }
