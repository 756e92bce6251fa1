package sample

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"go.temporal.io/sdk/temporal"
	"golang.org/x/oauth2"
)

// maxPage bounds what is read of an answer, in bytes.
const maxPage = 1 << 20

func newRequest(ctx context.Context, address, pageToken string) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, final("bad_url", "The address of the contacts API is no URL.")
	}
	if pageToken != "" {
		request.URL.RawQuery = url.Values{"page_token": {pageToken}}.Encode()
	}
	return request, nil
}

func decode(body io.Reader) (page, error) {
	var p page
	if err := json.NewDecoder(io.LimitReader(body, maxPage)).Decode(&p); err != nil {
		return page{}, errors.New("the contacts API sent something else than a page") // cut off, perhaps: retried
	}
	return p, nil
}

// refused is the error for an answer that is no page. It quotes nothing of the answer: histories keep errors.
func refused(response *http.Response) error {
	switch status := response.StatusCode; {
	case status == http.StatusTooManyRequests:
		// Temporal waits, not this activity: the worker's slot is free meanwhile.
		return temporal.NewApplicationErrorWithOptions("The contacts API has had enough for now.", "throttled",
			temporal.ApplicationErrorOptions{NextRetryDelay: retryAfter(response), Category: temporal.ApplicationErrorCategoryBenign})
	case status >= http.StatusInternalServerError, status == http.StatusUnauthorized:
		// A second 401, to a token that is new: another process may have renewed it in between.
		return fmt.Errorf("the contacts API answered %d", status)
	default:
		return final("refused", fmt.Sprintf("The contacts API answered %d.", status))
	}
}

// retryAfter reads the header in both of its forms (RFC 9110 §10.2.3); zero leaves it to the retry policy.
func retryAfter(response *http.Response) time.Duration {
	value := response.Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

func final(code, sentence string) error {
	return temporal.NewNonRetryableApplicationError(sentence, code, nil)
}

// counting makes HTTPClient send by a transport that counts what the API answers. It is only here for the report;
// copy it if a transport of your own (a proxy, tracing) is to lie below.
func counting(ctx context.Context, report *Report) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Transport: counter{report}})
}

type counter struct{ report *Report }

// RoundTrip implements http.RoundTripper.
func (c counter) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	switch response.StatusCode {
	case http.StatusUnauthorized:
		c.report.Unauthorized++
	case http.StatusTooManyRequests:
		c.report.Throttled++
	}
	return response, nil
}
