package sandbox

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// exchange is the record of one token request. It travels in the context, so that the storage can add what the
// engine would not hand through.
type exchange struct {
	grant    string
	lifetime time.Duration // of the access token issued, by our clock
	reused   bool          // a spent code or refresh token was presented
}

type exchangeKey struct{}

func exchangeFrom(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

// token is the token endpoint: faults and bookkeeping around the engine.
func (p *Provider) token(engine http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		noStore(w.Header())
		out := newReply()
		if !p.readForm(out, r) {
			p.stats.token("other", out.errorCode())
			out.send(w)
			return
		}
		x := &exchange{grant: grantLabel(r.PostForm.Get("grant_type"))}
		presented, err := p.present(r, x)
		if err != nil {
			p.internalError(out, err)
			out.send(w)
			return
		}
		fault := p.faults.take(x.grant)
		outcome := p.serveToken(out, r, x, fault, engine)
		p.record(r.Context(), x, presented, outcome)
		if fault.LoseReplyBefore || fault.LoseReplyAfter {
			panic(http.ErrAbortHandler) // net/http closes the connection without an answer
		}
		out.send(w)
	})
}

// serveToken answers one request into out, under a fault, and names what happened.
func (p *Provider) serveToken(out *reply, r *http.Request, x *exchange, fault Faults, engine http.Handler) string {
	p.wait(fault.Delay)
	if outcome, stop := fault.before(out); stop {
		return outcome
	}
	if !p.authenticate(out, r) {
		return out.errorCode()
	}
	if x.grant == grantOther && r.PostForm.Get("grant_type") != "" {
		out.refuse(http.StatusBadRequest, "unsupported_grant_type", "")
		return out.errorCode()
	}
	engine.ServeHTTP(out, r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x)))
	if x.reused {
		return OutcomeReuse
	}
	if out.status != http.StatusOK {
		return out.errorCode()
	}
	if err := finishToken(out, x, fault); err != nil {
		p.internalError(out, err)
		return out.errorCode()
	}
	if fault.LoseReplyAfter {
		return OutcomeLost // a refusal that is lost keeps the name of the refusal
	}
	return OutcomeIssued
}

// finishToken corrects the engine's answer: expires_in by our clock, and an id_token only where openid was granted.
func finishToken(out *reply, x *exchange, fault Faults) error {
	members := out.members()
	members["expires_in"] = json.RawMessage(strconv.FormatInt(int64(x.lifetime/time.Second), 10))
	var scope string
	if raw, ok := members["scope"]; ok {
		if err := json.Unmarshal(raw, &scope); err != nil {
			return err
		}
	}
	if !slices.Contains(strings.Fields(scope), "openid") {
		delete(members, "id_token")
	}
	fault.edit(members)
	return out.setMembers(members)
}

// present notes a refresh token before anything is done with it.
func (p *Provider) present(r *http.Request, x *exchange) (int64, error) {
	token := r.PostForm.Get("refresh_token")
	if x.grant != grantRefresh || token == "" {
		return 0, nil
	}
	return p.store.present(r.Context(), hashOf(token))
}

// record counts and logs the outcome.
func (p *Provider) record(ctx context.Context, x *exchange, presented int64, outcome string) {
	p.stats.token(x.grant, outcome)
	if presented != 0 {
		if err := p.store.settlePresentation(ctx, presented, outcome); err != nil {
			p.log.LogAttrs(ctx, slog.LevelError, "sandbox: presentation not recorded", slog.Any("error", err))
		}
	}
	level := slog.LevelDebug
	if outcome == OutcomeReuse {
		level = slog.LevelWarn
	}
	p.log.LogAttrs(ctx, level, "sandbox: token request", slog.String("grant", x.grant), slog.String("outcome", outcome))
}

// wait holds a request up, but not the shutdown.
func (p *Provider) wait(d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.closing:
	}
}

func (p *Provider) internalError(out *reply, err error) {
	p.log.Error("sandbox: internal error", slog.Any("error", err))
	out.refuse(http.StatusInternalServerError, "server_error", "internal error")
}

const grantOther = "other"

// grantLabel keeps the counters to a closed set of names.
func grantLabel(grant string) string {
	switch grant {
	case grantCode, grantRefresh, grantClientCredentials:
		return grant
	}
	return grantOther
}
