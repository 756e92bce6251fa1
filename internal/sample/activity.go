package sample

import (
	"context"
	"net/http"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/acme/connections/activities"
)

// requestLimit bounds one request, the wait for a new token included.
const requestLimit = 20 * time.Second

// reader is the activity, and what it needs.
type reader struct{ tokens *activities.Tokens }

// progress is what an attempt leaves to the next one, by heartbeat.
type progress struct {
	Report
	// PageToken is that of the next page to read.
	PageToken string `json:"page_token"`
	// Generation is the token's at the beginning. Of a token only this may be in a heartbeat: Temporal keeps those.
	Generation int64 `json:"generation"`
}

// ReadContacts is activity "ReadContacts": it pages through the API, from where its last attempt came to.
//
// Its errors need no handling. Those of the token are retried, or not, as each says; a page that was throttled is tried
// again when the API said; and the answer 401 to a token that was revoked early is not even seen, since HTTPClient then
// gets another token and repeats the request.
func (r *reader) ReadContacts(ctx context.Context, in Input) (Report, error) {
	done, err := r.resume(ctx, in.ConnectionID)
	if err != nil {
		return Report{}, err
	}
	client := r.tokens.HTTPClient(counting(ctx, &done.Report), in.ConnectionID)
	for {
		page, err := readPage(ctx, client, in.URL, done.PageToken)
		if err != nil {
			activity.RecordHeartbeat(ctx, done) // what was met on the way; the page token is that of the page that failed
			return done.Report, err
		}
		done.Contacts += len(page.Contacts)
		done.Pages++
		done.PageToken = page.NextPageToken
		if done.PageToken == "" {
			break
		}
		// Also how a cancellation gets here: by ctx, at the next request.
		activity.RecordHeartbeat(ctx, done)
	}
	if last, err := r.tokens.Token(ctx, in.ConnectionID); err == nil { // for the report only
		done.Refreshes = last.Generation() - done.Generation
	}
	return done.Report, nil
}

// resume is where the last attempt came to, or the beginning.
func (r *reader) resume(ctx context.Context, connectionID string) (progress, error) {
	var done progress
	if activity.HasHeartbeatDetails(ctx) {
		return done, activity.GetHeartbeatDetails(ctx, &done)
	}
	first, err := r.tokens.Token(ctx, connectionID)
	done.Generation = first.Generation()
	return done, err
}

// page is an answer of the API, of which this sample only counts the contacts.
type page struct {
	Contacts      []struct{} `json:"contacts"`
	NextPageToken string     `json:"next_page_token"`
}

// readPage reads one page; the first for an empty page token.
func readPage(ctx context.Context, client *http.Client, address, pageToken string) (page, error) {
	ctx, cancel := context.WithTimeout(ctx, requestLimit) // the client has no limit of its own
	defer cancel()
	request, err := newRequest(ctx, address, pageToken)
	if err != nil {
		return page{}, err
	}
	response, err := client.Do(request)
	if err != nil {
		// Temporal judges the outermost error only: without this one of the token's would be retried for ever, since an
		// *url.Error is around it. A worker with the interceptor activities.TokenErrors does it everywhere.
		return page{}, activities.TemporalError(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return page{}, refused(response)
	}
	return decode(response.Body)
}
