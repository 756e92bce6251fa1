package api

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/acme/connections/internal/keyring"
	"github.com/acme/connections/internal/vault"
	"github.com/acme/connections/workflows"
)

const (
	// idempotencyLife is how long a request that is repeated gets the first one's answer.
	idempotencyLife = 24 * time.Hour
	// claimLease is longer than any request is handled, so that no two create at a time.
	claimLease = 2 * handleLimit
	// claimWait is how long a request waits for one of the same key that is under way, and claimPoll how often it looks.
	claimWait = 10 * time.Second
	claimPoll = 50 * time.Millisecond
)

// Once is what creations take. It is exported for the library, which reads its tags.
type Once struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"255" doc:"Makes the request safe to repeat: within 24 hours, the same key with the same body creates nothing more, and is answered as the first time. A random UUID will do."`
}

// once creates something, or answers what was created under the same Idempotency-Key. What it keeps is sealed: it may
// hold a connect link.
func once[T any](ctx context.Context, s *Server, operation string, in Once, body any, create func(context.Context) (T, error)) (made T, replayed bool, err error) {
	// Who gives up waiting leaves nothing half made.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), handleLimit)
	defer cancel()
	if in.IdempotencyKey == "" {
		made, err = create(ctx)
		return made, false, err
	}
	start, err := s.requestStart(ctx, operation, in.IdempotencyKey, body)
	if err != nil {
		return made, false, err
	}
	sealed, err := s.claim(ctx, start)
	if err != nil {
		return made, false, err
	}
	if sealed != nil {
		content, err := s.Connections.Keys.Vault.Open(answerField(start), sealed)
		if err != nil {
			return made, false, problemOfCode(string(workflows.ReasonKeyMissing), workflows.ReasonKeyMissing.Sentence())
		}
		return made, true, json.Unmarshal(content, &made)
	}
	if made, err = create(ctx); err != nil {
		s.drop(ctx, start)
		return made, false, err
	}
	// The creation may have used up all the time there was, and what it made must not be made again.
	keeping, stop := context.WithTimeout(context.WithoutCancel(ctx), tallyLimit)
	defer stop()
	if err := s.keepAnswer(keeping, start, made); err != nil {
		s.Log.WarnContext(ctx, "an answer could not be kept under its idempotency key: who repeats the request after a minute makes another", slog.Any("error", err))
	}
	return made, false, nil
}

// requestStart claims for the API key. Two requests are the same if their bodies mean the same. The hash of the request is salted with the idempotency key, of which the vault
// has but a hash: what is short in a body cannot be guessed from it.
func (s *Server) requestStart(ctx context.Context, operation, idempotencyKey string, body any) (vault.RequestStart, error) {
	content, err := json.Marshal(body)
	if err != nil {
		return vault.RequestStart{}, errors.New("the request cannot be encoded")
	}
	key := sha256.Sum256([]byte(idempotencyKey))
	request := sha256.New()
	for _, part := range [][]byte{[]byte(idempotencyKey), []byte(operation), content} {
		_ = binary.Write(request, binary.BigEndian, int64(len(part)))
		_, _ = request.Write(part)
	}
	now := s.Connections.Now()
	return vault.RequestStart{
		KeyID: callerOf(ctx).KeyID, Hash: key[:], Request: request.Sum(nil), Claim: uuid.NewString(), Lease: claimLease,
		At: now, ExpiresAt: now.Add(idempotencyLife),
	}, nil
}

func answerField(r vault.RequestStart) keyring.Field {
	return keyring.Answer(r.KeyID, hex.EncodeToString(r.Hash))
}

// claim begins the request, or returns the sealed answer of an earlier one. It waits a while for one that is under way.
func (s *Server) claim(ctx context.Context, start vault.RequestStart) (sealed []byte, err error) {
	patience := time.NewTimer(claimWait)
	defer patience.Stop()
	poll := time.NewTicker(claimPoll)
	defer poll.Stop()
	for {
		begun, err := s.Connections.Vault.BeginRequest(ctx, start)
		if err != nil {
			return nil, problemOfCode(string(workflows.ReasonVaultUnavailable), "")
		}
		switch begun.Outcome {
		case vault.RequestStarted:
			return nil, nil
		case vault.RequestDone:
			return begun.Sealed, nil
		case vault.RequestDiffers:
			return nil, newProblem(http.StatusUnprocessableEntity, codeKeyReused, "This Idempotency-Key was used for another request. Use a new one for each.")
		case vault.RequestRunning:
		}
		select {
		case <-poll.C:
		case <-patience.C:
			return nil, newProblem(http.StatusConflict, codeKeyInUse, "A request with this Idempotency-Key is under way. Ask again for its answer.").retryAfter(time.Second)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *Server) keepAnswer(ctx context.Context, start vault.RequestStart, made any) error {
	content, err := json.Marshal(made)
	if err != nil {
		return errors.New("the answer cannot be encoded")
	}
	sealed, err := s.Connections.Keys.Vault.Seal(answerField(start), content)
	if err != nil {
		return err
	}
	return s.Connections.Vault.FinishRequest(ctx, start, sealed)
}

// drop lets a request that created nothing be made again.
func (s *Server) drop(ctx context.Context, start vault.RequestStart) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tallyLimit)
	defer cancel()
	if err := s.Connections.Vault.DropRequest(ctx, start); err != nil {
		s.Log.WarnContext(ctx, "an idempotency key could not be given up: it can be used again in a minute", slog.Any("error", err))
	}
}
