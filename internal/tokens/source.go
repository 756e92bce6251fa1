package tokens

import (
	"context"
	"sync/atomic"

	"golang.org/x/oauth2"
)

// Source is one connection's oauth2.TokenSource. It is safe for concurrent use.
type Source struct {
	engine *Engine
	ctx    context.Context //nolint:containedctx // oauth2.TokenSource takes none
	id     string
	need   Need
	entry  atomic.Pointer[entry]
	// refused turns an error into what the caller is shown.
	refused func(error) error
}

var _ oauth2.TokenSource = (*Source)(nil)

// Source makes a source of a connection's tokens. ctx bounds the waits of all its reads; refused turns their errors
// into what the caller is shown.
func (g *Engine) Source(ctx context.Context, id string, need Need, refused func(error) error) *Source {
	return &Source{engine: g, ctx: ctx, id: id, need: need, refused: refused}
}

// Token implements oauth2.TokenSource. The token is shared: do not change it.
func (s *Source) Token() (*oauth2.Token, error) {
	if e := s.entry.Load(); e != nil {
		if h := s.engine.warm(e, s.need); h != nil {
			return h.OAuth, nil
		}
	}
	h, err := s.read()
	if err != nil {
		return nil, err
	}
	return h.OAuth, nil
}

func (s *Source) read() (*Held, error) {
	h, e, err := s.engine.find(s.ctx, s.id, s.need)
	if err != nil {
		return nil, s.refused(err)
	}
	s.entry.Store(e)
	return h, nil
}
