package sandbox

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// authRequest is one authorization request, from /authorize until its code is spent.
type authRequest struct {
	id, clientID, redirectURI string
	state, nonce, challenge   string
	scopes                    []string
	sessionHash               string
	expires                   time.Time // for the person at the pages
	userID                    string    // once signed in
	authTime                  time.Time
	done                      bool // once allowed
}

var _ op.AuthRequest = (*authRequest)(nil)

var errNoRequest = errors.New("no such authorization request")

func (s *store) saveRequest(ctx context.Context, r *authRequest) error {
	r.expires = s.now().Add(requestLifetime)
	_, err := s.db.ExecContext(ctx, `INSERT INTO auth_requests
		(id, client_id, redirect_uri, state, nonce, scopes, challenge, session_hash, expires) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		r.id, r.clientID, r.redirectURI, r.state, r.nonce, listText(r.scopes), r.challenge, r.sessionHash, r.expires.UnixMilli())
	return err
}

// request reads the request whose column (a constant of ours) has this value.
func (s *store) request(ctx context.Context, column, value string) (*authRequest, error) {
	var r authRequest
	var scopes string
	var expires, authTime int64
	err := s.db.QueryRowContext(ctx, `SELECT id, client_id, redirect_uri, state, nonce, scopes, challenge, session_hash,
		expires, user_id, auth_time, done FROM auth_requests WHERE `+column+` = ?`, value).
		Scan(&r.id, &r.clientID, &r.redirectURI, &r.state, &r.nonce, &scopes, &r.challenge, &r.sessionHash,
			&expires, &r.userID, &authTime, &r.done)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNoRequest
	}
	if err != nil {
		return nil, err
	}
	r.scopes, r.expires, r.authTime = textList(scopes), time.UnixMilli(expires), time.UnixMilli(authTime)
	return &r, nil
}

// signIn records who signed in for a request that is still open.
func (s *store) signIn(ctx context.Context, id, userID string) error {
	return s.exactlyOne(s.db.ExecContext(ctx, `UPDATE auth_requests SET user_id = ?, auth_time = ?
		WHERE id = ? AND done = 0`, userID, s.millis(), id))
}

// allow closes a request that a person has agreed to. Of two clicks only one succeeds.
func (s *store) allow(ctx context.Context, id, userID string) error {
	return s.exactlyOne(s.db.ExecContext(ctx, `UPDATE auth_requests SET done = 1
		WHERE id = ? AND done = 0 AND user_id = ?`, id, userID))
}

// deny forgets a request that is still open.
func (s *store) deny(ctx context.Context, id string) error {
	return s.exactlyOne(s.db.ExecContext(ctx, `DELETE FROM auth_requests WHERE id = ? AND done = 0`, id))
}

func (s *store) saveCode(ctx context.Context, id, codeHash string, expires time.Time) error {
	return s.exactlyOne(s.db.ExecContext(ctx, `UPDATE auth_requests SET code_hash = ?, code_expires = ?
		WHERE id = ? AND done = 1 AND code_hash IS NULL`, codeHash, expires.UnixMilli(), id))
}

// exactlyOne turns a statement that changed nothing into errNoRequest.
func (*store) exactlyOne(result sql.Result, err error) error {
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err == nil && n != 1 {
		err = errNoRequest
	}
	return err
}

// GetID implements op.AuthRequest.
func (r *authRequest) GetID() string { return r.id }

// GetACR implements op.AuthRequest.
func (r *authRequest) GetACR() string { return "" }

// GetAMR implements op.AuthRequest.
func (r *authRequest) GetAMR() []string { return []string{"pwd"} }

// GetAudience implements op.AuthRequest.
func (r *authRequest) GetAudience() []string { return []string{r.clientID} }

// GetAuthTime implements op.AuthRequest.
func (r *authRequest) GetAuthTime() time.Time { return r.authTime }

// GetClientID implements op.AuthRequest.
func (r *authRequest) GetClientID() string { return r.clientID }

// GetCodeChallenge implements op.AuthRequest: always S256.
func (r *authRequest) GetCodeChallenge() *oidc.CodeChallenge {
	return &oidc.CodeChallenge{Challenge: r.challenge, Method: oidc.CodeChallengeMethodS256}
}

// GetNonce implements op.AuthRequest.
func (r *authRequest) GetNonce() string { return r.nonce }

// GetRedirectURI implements op.AuthRequest.
func (r *authRequest) GetRedirectURI() string { return r.redirectURI }

// GetResponseType implements op.AuthRequest.
func (r *authRequest) GetResponseType() oidc.ResponseType { return oidc.ResponseTypeCode }

// GetResponseMode implements op.AuthRequest.
func (r *authRequest) GetResponseMode() oidc.ResponseMode { return oidc.ResponseModeQuery }

// GetScopes implements op.AuthRequest.
func (r *authRequest) GetScopes() []string { return r.scopes }

// GetState implements op.AuthRequest: nothing, for the engine logs it. See answerBrowser.
func (r *authRequest) GetState() string { return "" }

// GetSubject implements op.AuthRequest.
func (r *authRequest) GetSubject() string { return r.userID }

// Done implements op.AuthRequest.
func (r *authRequest) Done() bool { return r.done }
