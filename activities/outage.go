package activities

import (
	"context"

	"github.com/acme/connections/workflows"
)

// tokenWithoutRows hands out while the rows cannot be read: what the connection's open workflow carries, for as long as
// it lives, since a renewal would take the vault. What cannot be told without the vault waits for it.
func (h *HandOut) tokenWithoutRows(ctx context.Context, by asker, in workflows.TokenRequest, waits bool) (workflows.AccessToken, *refusedError) {
	away := &refusedError{reason: workflows.ReasonVaultUnavailable}
	row, err := h.c.Query(ctx, in.ID)
	if err != nil {
		return workflows.AccessToken{}, away
	}
	if !by.mayHave(in.Owner, row.Owner) {
		return workflows.AccessToken{}, &refusedError{reason: workflows.ReasonNotFound}
	}
	status, reason := workflows.ConnectionStatus(row.Status), workflows.Reason(row.Reason)
	if !status.HandsOut() {
		refused := &refusedError{status: status, reason: reasonOr(reason, plainReason(status))}
		if waits && refused.kind().NeedsPerson() {
			return workflows.AccessToken{}, away // nobody tells of changes, and asking a workflow costs more than a row
		}
		return workflows.AccessToken{}, refused
	}
	lives, longEnough := h.lives(row, in)
	if !lives || (waits && !longEnough && status == workflows.StatusNeedsReauth) {
		return workflows.AccessToken{}, away
	}
	return h.give(by, in.ID, tokenOf(row)), nil
}
