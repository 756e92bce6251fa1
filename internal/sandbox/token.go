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
	grant        string
	fault        Faults
	presentation int64  // of the refresh token, in the log; 0 if there is none
	issue        *issue // once the storage was asked for tokens
}

type exchangeKey struct{}

// exchangeFrom returns the record of the token request that is being answered; an empty one elsewhere.
func exchangeFrom(ctx context.Context) *exchange {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return x
	}
	return &exchange{}
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
		if err := p.receive(r, x); err != nil {
			p.internalError(out, err)
			out.send(w)
			return
		}
		allowTime(w, x.fault)
		outcome := p.serveToken(out, r, x, engine)
		p.record(r.Context(), x, outcome)
		p.deliver(w, out, x.fault)
	})
}

// receive notes a refresh token before anything is done with it, and picks the request's faults.
func (p *Provider) receive(r *http.Request, x *exchange) error {
	c, err := p.store.caller(r.Context(), x.grant, r.PostForm)
	if err != nil {
		return err
	}
	if token := r.PostForm.Get("refresh_token"); x.grant == grantRefresh && token != "" {
		if x.presentation, err = p.store.present(r.Context(), hashOf(token), c.family); err != nil {
			return err
		}
	}
	x.fault = p.faults.take(x.grant, c)
	return nil
}

// serveToken answers one request into out, and names what happened.
func (p *Provider) serveToken(out *reply, r *http.Request, x *exchange, engine http.Handler) string {
	p.wait(x.fault.Delay)
	if outcome, stop := x.fault.before(out); stop {
		return outcome
	}
	if !p.authenticate(out, r) {
		return out.errorCode()
	}
	if x.grant == grantOther && r.PostForm.Get("grant_type") != "" {
		out.refuse(http.StatusBadRequest, "unsupported_grant_type", "")
		return out.errorCode()
	}
	// A scope that is withheld is left out, rather than refused, also where it is asked for by name.
	if kept := x.fault.kept(strings.Fields(r.PostForm.Get("scope"))); len(kept) > 0 {
		r.PostForm.Set("scope", strings.Join(kept, " "))
	}
	engine.ServeHTTP(out, r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x)))
	if x.issue != nil && x.issue.reused {
		return OutcomeReuse
	}
	if out.status != http.StatusOK {
		return out.errorCode()
	}
	if err := finishToken(out, x); err != nil {
		p.internalError(out, err)
		return out.errorCode()
	}
	switch {
	case x.fault.losesReply():
		return OutcomeLost // a refusal that is lost keeps the name of the refusal
	case x.issue.graced:
		return OutcomeGrace
	}
	return OutcomeIssued
}

// finishToken corrects the engine's answer: expires_in by our clock, and an id_token only where openid was granted.
// It adds what the behaviour announces.
func finishToken(out *reply, x *exchange) error {
	members, i := out.members(), x.issue
	members["expires_in"] = number(int64(i.accessExpires.Sub(i.at) / time.Second))
	if i.rules.AnnounceExpiresAt {
		members["expires_at"] = number(i.accessExpires.Add(i.rules.ClockSkew).Unix())
	}
	if i.rules.AnnounceRefreshExpiry && !i.refreshExpires.IsZero() {
		members["refresh_token_expires_in"] = number(int64(i.refreshExpires.Sub(i.at) / time.Second))
	}
	var scope string
	if raw, ok := members["scope"]; ok {
		if err := json.Unmarshal(raw, &scope); err != nil {
			return err
		}
	}
	if !slices.Contains(strings.Fields(scope), "openid") {
		delete(members, "id_token")
	}
	x.fault.edit(members)
	return out.setMembers(members)
}

func number(n int64) json.RawMessage { return json.RawMessage(strconv.FormatInt(n, 10)) }

// record counts and logs the outcome.
func (p *Provider) record(ctx context.Context, x *exchange, outcome string) {
	p.stats.token(x.grant, outcome)
	if x.presentation != 0 {
		if err := p.store.settlePresentation(ctx, x.presentation, outcome); err != nil {
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
