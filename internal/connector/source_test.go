package connector_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
)

// shelf is a Source that counts how often it is asked.
type shelf struct {
	held  map[string]string
	fault error
	asked []string
}

func (s *shelf) ConnectorDocument(_ context.Context, id string) ([]byte, bool, error) {
	s.asked = append(s.asked, id)
	document, ok := s.held[id]
	return []byte(document), ok && s.fault == nil, s.fault
}

func (s *shelf) ConnectorDocuments(context.Context) (map[string][]byte, error) {
	all := make(map[string][]byte, len(s.held))
	for id, document := range s.held {
		all[id] = []byte(document)
	}
	return all, s.fault
}

func shelved(id, name, base string) string {
	return fmt.Sprintf(`{"id":%q,"name":%q,"grants":["client_credentials"],"token":{"url":%q,"auth":"client_secret_basic"}}`, id, name, base+"/token")
}

func withShelf(t *testing.T, loopback bool, held map[string]string) (*connector.Catalogue, *shelf) {
	t.Helper()
	catalogue, err := connector.Load()
	require.NoError(t, err)
	source := &shelf{held: held}
	catalogue.UseSource(source, loopback)
	return catalogue, source
}

// TestSource_Freshness: a connector is read again after a while; while the Source is away, the last one known is used.
func TestSource_Freshness(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		catalogue, source := withShelf(t, false, map[string]string{"own": shelved("own", "First", "https://as.example")})
		named := func(name string) {
			t.Helper()
			c, err := catalogue.Get(t.Context(), "own")
			require.NoError(t, err)
			require.Equal(t, name, c.Name)
		}
		named("First")
		source.held["own"] = shelved("own", "Second", "https://as.example")
		time.Sleep(9 * time.Second)
		named("First")
		require.Len(t, source.asked, 1)
		time.Sleep(2 * time.Second)
		named("Second")
		require.Len(t, source.asked, 2)

		source.fault = errors.New("away")
		time.Sleep(time.Hour)
		named("Second")
		_, err := catalogue.Get(t.Context(), "other")
		require.ErrorContains(t, err, "away")
		_, err = catalogue.All(t.Context())
		require.ErrorContains(t, err, "away")
		_, err = catalogue.AllIDs(t.Context())
		require.ErrorContains(t, err, "away")

		source.fault = nil
		delete(source.held, "own")
		_, err = catalogue.Get(t.Context(), "own")
		require.ErrorAs(t, err, new(*connector.UnknownError))
		source.fault = errors.New("away")
		_, err = catalogue.Get(t.Context(), "own")
		require.ErrorContains(t, err, "away", "what was removed does not come back")
	})
}

// TestSource_CannotShadow: a document passes neither for a built-in connector nor for another of the Source.
func TestSource_CannotShadow(t *testing.T) {
	t.Parallel()
	catalogue, source := withShelf(t, false, map[string]string{
		"google": shelved("google", "Evil", "https://evil.example"),
		"own":    shelved("google", "Evil", "https://evil.example"),
		"fine":   shelved("fine", "Fine", "https://as.example"),
	})
	c, err := catalogue.Get(t.Context(), "google")
	require.NoError(t, err)
	require.Equal(t, builtIn(t, "google"), c)
	require.Empty(t, source.asked)
	_, err = catalogue.Get(t.Context(), "own")
	require.ErrorContains(t, err, `the document of connector "own" holds connector "google"`)
	all, err := catalogue.All(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 331)
	for _, c := range all {
		require.NotEqual(t, "Evil", c.Name)
	}
	ids, err := catalogue.AllIDs(t.Context())
	require.NoError(t, err)
	require.Len(t, ids, 332)
	require.IsIncreasing(t, ids)
	require.False(t, catalogue.BuiltIn("fine"))
}

// TestSource_IsAskedForIDsOnly: nothing that cannot be an id reaches the database.
func TestSource_IsAskedForIDsOnly(t *testing.T) {
	t.Parallel()
	catalogue, source := withShelf(t, false, nil)
	for _, id := range []string{"", "\x00", "A", "../a", "a b", "a'--", "\xff"} {
		_, err := catalogue.Get(t.Context(), id)
		require.ErrorAs(t, err, new(*connector.UnknownError), "%q", id)
	}
	require.Empty(t, source.asked)
	_, err := catalogue.Get(t.Context(), "nothing-here")
	require.ErrorAs(t, err, new(*connector.UnknownError))
	require.Equal(t, []string{"nothing-here"}, source.asked)
}

func TestSource_Loopback(t *testing.T) {
	t.Parallel()
	held := map[string]string{"inside": shelved("inside", "Inside", "http://127.0.0.1:8080")}
	strict, _ := withShelf(t, false, held)
	_, err := strict.Get(t.Context(), "inside")
	require.ErrorContains(t, err, "must be https")
	all, err := strict.All(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 330)
	dev, _ := withShelf(t, true, held)
	c, err := dev.Get(t.Context(), "inside")
	require.NoError(t, err)
	require.True(t, c.Loopback)
	require.False(t, builtIn(t, "google").Loopback)
}
