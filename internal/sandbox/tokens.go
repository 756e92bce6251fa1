package sandbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// family is one grant of a person to a client: all access and refresh tokens that came of one code.
// It is revoked as a whole.
type family struct {
	id, clientID, userID string
	scopes               []string
	authTime             time.Time
}

// issue holds the values of tokens about to be issued.
type issue struct {
	accessID, refreshToken string // no refreshToken: none is issued
	at, accessExpires      time.Time
	rules                  Behaviour
	presentation           int64 // of the refresh token to be spent, in the log

	// Set by the store.
	refreshExpires time.Time // of the refresh token that is now in use; zero if there is none
	reused         bool      // a spent code or refresh token was presented
	graced         bool      // a spent refresh token was presented, and taken
}

// accessToken is a stored access token that is live.
type accessToken struct {
	id                       string
	family, clientID, userID string
	scopes                   []string
	issued, expires          time.Time
}

// subject is the user, or the client when there is none.
func (t *accessToken) subject() string {
	if t.userID == "" {
		return t.clientID
	}
	return t.userID
}

var (
	errUnknownToken = errors.New("unknown token")
	errForeignToken = errors.New("token of another client")
)

// issueMachine stores an access token that belongs to no family.
func (s *store) issueMachine(ctx context.Context, r *machineRequest, i *issue) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		return insertAccess(ctx, tx, i, family{clientID: r.clientID}, r.scopes)
	})
}

// issueForCode spends the code of an authorization request and stores what it buys.
// A code that was spent before revokes what it bought then (RFC 6749 §4.1.2).
func (s *store) issueForCode(ctx context.Context, r *authRequest, i *issue) error {
	var refusal error
	err := s.tx(ctx, func(tx *sql.Tx) error {
		var spentOn string
		var expires int64
		err := tx.QueryRowContext(ctx, `SELECT family, code_expires FROM auth_requests WHERE id = ?`, r.id).Scan(&spentOn, &expires)
		if err != nil {
			return err
		}
		switch {
		case spentOn != "":
			i.reused = true
			refusal = oidc.ErrInvalidGrant().WithDescription("the code was used before")
			return revokeFamily(ctx, tx, spentOn, i.at)
		case expires <= i.at.UnixMilli():
			refusal = oidc.ErrInvalidGrant().WithDescription("the code has expired")
			return nil
		}
		f := family{id: randomText(), clientID: r.clientID, userID: r.userID, scopes: r.scopes, authTime: r.authTime}
		if _, err := tx.ExecContext(ctx, `UPDATE auth_requests SET family = ? WHERE id = ?`, f.id, r.id); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO families (id, client_id, user_id, scopes, auth_time) VALUES (?, ?, ?, ?, ?)`,
			f.id, f.clientID, f.userID, listText(f.scopes), f.authTime.UnixMilli()); err != nil {
			return err
		}
		return insertPair(ctx, tx, i, f, f.scopes, "")
	})
	return errors.Join(err, refusal)
}

// rotate spends a refresh token and stores its successor, as the rules have it. Of any number of callers with the same
// token one succeeds; every later one that no grace covers is a reuse.
func (s *store) rotate(ctx context.Context, r *refreshRequest, token string, i *issue) error {
	hash := hashOf(token)
	var refusal error
	err := s.tx(ctx, func(tx *sql.Tx) error {
		var issued, used, revoked, outlived int64
		err := tx.QueryRowContext(ctx, `SELECT t.issued, t.used, f.revoked,
			EXISTS (SELECT 1 FROM refresh_tokens c WHERE c.family = t.family AND c.parent = t.hash AND c.used <> 0)
			FROM refresh_tokens t JOIN families f ON f.id = t.family WHERE t.hash = ?`, hash).Scan(&issued, &used, &revoked, &outlived)
		if err != nil {
			return err
		}
		i.graced = used != 0 && outlived == 0 && i.at.Before(time.UnixMilli(used).Add(i.rules.Grace))
		switch {
		case used != 0 && !i.graced:
			i.reused = true
			refusal, err = reuse(ctx, tx, r, i)
			return err
		case revoked != 0:
			refusal = oidc.ErrInvalidGrant().WithDescription("the grant is revoked")
			return nil
		case !i.at.Before(i.rules.refreshExpires(time.UnixMilli(issued), r.authTime)):
			refusal = oidc.ErrInvalidGrant().WithDescription("the refresh token has expired")
			return nil
		}
		if err := spend(ctx, tx, hash, i); err != nil {
			return err
		}
		if err := insertPair(ctx, tx, i, r.family, r.GetScopes(), hash); err != nil {
			return err
		}
		return s.commitPresentation(ctx, tx, i)
	})
	return errors.Join(err, refusal)
}

// reuse refuses a spent refresh token, and revokes its family where the rotation is RotationFamily.
func reuse(ctx context.Context, tx *sql.Tx, r *refreshRequest, i *issue) (refusal, err error) {
	if i.rules.Rotation != RotationFamily {
		return oidc.ErrInvalidGrant().WithDescription("the refresh token was used before"), nil
	}
	refusal = oidc.ErrInvalidGrant().WithDescription("the refresh token was used before: the grant is revoked")
	return refusal, revokeFamily(ctx, tx, r.id, i.at)
}

// spend marks a refresh token as used, the first time; without a rotation it starts its idle time anew instead.
func spend(ctx context.Context, tx *sql.Tx, hash string, i *issue) error {
	query := `UPDATE refresh_tokens SET used = ? WHERE hash = ? AND used = 0`
	if i.rules.Rotation == RotationNone {
		query = `UPDATE refresh_tokens SET issued = ? WHERE hash = ?`
		i.refreshToken = ""
	}
	_, err := tx.ExecContext(ctx, query, i.at.UnixMilli(), hash)
	return err
}

// insertPair stores an access token and, if there is one, the refresh token that was bought by parent ("" for a code).
func insertPair(ctx context.Context, tx *sql.Tx, i *issue, f family, scopes []string, parent string) error {
	if err := insertAccess(ctx, tx, i, f, scopes); err != nil {
		return err
	}
	if i.refreshToken != "" {
		if _, err := tx.ExecContext(ctx, `INSERT INTO refresh_tokens (hash, family, issued, parent) VALUES (?, ?, ?, ?)`,
			hashOf(i.refreshToken), f.id, i.at.UnixMilli(), parent); err != nil {
			return err
		}
	}
	if i.refreshToken != "" || parent != "" {
		i.refreshExpires = i.rules.refreshExpires(i.at, f.authTime)
	}
	return nil
}

// insertAccess stores an access token, and ends those before it where only one may live.
func insertAccess(ctx context.Context, tx *sql.Tx, i *issue, f family, scopes []string) error {
	if i.rules.SingleLive {
		if _, err := tx.ExecContext(ctx, `UPDATE access_tokens SET revoked = ?
			WHERE family = ? AND client_id = ? AND revoked = 0`, i.at.UnixMilli(), f.id, f.clientID); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO access_tokens (hash, family, client_id, user_id, scopes, issued, expires)
		VALUES (?, ?, ?, ?, ?, ?, ?)`, hashOf(i.accessID), f.id, f.clientID, f.userID, listText(scopes),
		i.at.UnixMilli(), i.accessExpires.UnixMilli())
	return err
}

func revokeFamily(ctx context.Context, tx *sql.Tx, id string, at time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE families SET revoked = ? WHERE id = ? AND revoked = 0`, at.UnixMilli(), id)
	return err
}

// liveToken returns the access token with this id if it may be used now, else errUnknownToken.
func (s *store) liveToken(ctx context.Context, id string) (*accessToken, error) {
	var t accessToken
	var scopes string
	var issued, expires int64
	err := s.db.QueryRowContext(ctx, `SELECT t.family, t.client_id, t.user_id, t.scopes, t.issued, t.expires
		FROM access_tokens t LEFT JOIN families f ON f.id = t.family
		WHERE t.hash = ? AND t.expires > ? AND t.revoked = 0 AND COALESCE(f.revoked, 0) = 0`, hashOf(id), s.millis()).
		Scan(&t.family, &t.clientID, &t.userID, &scopes, &issued, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errUnknownToken
	}
	if err != nil {
		return nil, err
	}
	t.scopes, t.issued, t.expires = textList(scopes), time.UnixMilli(issued), time.UnixMilli(expires)
	return &t, nil
}

// familyOfRefreshToken returns the family of a refresh token in whatever state, or errUnknownToken.
func (s *store) familyOfRefreshToken(ctx context.Context, token string) (*family, error) {
	var f family
	var scopes string
	var authTime int64
	err := s.db.QueryRowContext(ctx, `SELECT f.id, f.client_id, f.user_id, f.scopes, f.auth_time
		FROM refresh_tokens t JOIN families f ON f.id = t.family WHERE t.hash = ?`, hashOf(token)).
		Scan(&f.id, &f.clientID, &f.userID, &scopes, &authTime)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errUnknownToken
	}
	if err != nil {
		return nil, fmt.Errorf("read refresh token: %w", err)
	}
	f.scopes, f.authTime = textList(scopes), time.UnixMilli(authTime)
	return &f, nil
}

// revoke ends the access token with this id, or the family of this refresh token. Unknown text is no error.
func (s *store) revoke(ctx context.Context, tokenOrID, clientID string) error {
	hash, now := hashOf(tokenOrID), s.now()
	return s.tx(ctx, func(tx *sql.Tx) error {
		var owner, familyID string
		err := tx.QueryRowContext(ctx, `SELECT client_id FROM access_tokens WHERE hash = ?`, hash).Scan(&owner)
		switch {
		case err == nil && owner != clientID:
			return errForeignToken
		case err == nil:
			_, err = tx.ExecContext(ctx, `UPDATE access_tokens SET revoked = ? WHERE hash = ? AND revoked = 0`, now.UnixMilli(), hash)
			return err
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		err = tx.QueryRowContext(ctx, `SELECT f.id, f.client_id FROM refresh_tokens t JOIN families f ON f.id = t.family
			WHERE t.hash = ?`, hash).Scan(&familyID, &owner)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return nil
		case err != nil:
			return err
		case owner != clientID:
			return errForeignToken
		}
		return revokeFamily(ctx, tx, familyID, now)
	})
}
