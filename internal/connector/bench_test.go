package connector_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
)

// BenchmarkLoad is what a program pays at its start, with the few connectors that it uses first.
func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		catalogue, err := connector.Load()
		require.NoError(b, err)
		for _, id := range []string{"salesforce", "hubspot", "slack", "google", "shopify", "github", "xero", "zoho-crm", "zoom", "stripe-apps"} {
			_, err := catalogue.Get(b.Context(), id)
			require.NoError(b, err)
		}
	}
}

// BenchmarkLoadAll reads and checks every connector.
func BenchmarkLoadAll(b *testing.B) {
	b.ReportAllocs()
	var n int
	for b.Loop() {
		catalogue, err := connector.Load()
		require.NoError(b, err)
		all, err := catalogue.All(b.Context())
		require.NoError(b, err)
		n = len(all)
	}
	b.ReportMetric(float64(n), "connectors")
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/catalogue")
}
