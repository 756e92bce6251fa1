package web

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// pageWith is the front page of a platform that looks like itself.
func (r *rig) pageWith(brand Brand, path string) (body string, header http.Header) {
	r.t.Helper()
	s, err := New(Config{
		Vault: r.Vault, Keys: r.Keys, Catalogue: r.Catalogue, Connections: r.Client, Platform: platform, Brand: brand, BaseURL: r.base,
		Now: r.Clock.Now, Log: r.Log,
	})
	require.NoError(r.t, err)
	defer s.Close()
	answer := httptest.NewRecorder()
	s.ServeHTTP(answer, httptest.NewRequestWithContext(r.t.Context(), http.MethodGet, path, nil))
	require.Equal(r.t, http.StatusOK, answer.Code)
	return answer.Body.String(), answer.Header()
}

func TestBrand(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	brand, err := LoadBrand("https://cdn.acme.example/logo.svg?v=1", "#ffd400", "#112233")
	require.NoError(t, err)
	body, header := r.pageWith(brand, "/")
	require.Contains(t, body, `<img src="https://cdn.acme.example/logo.svg?v=1" alt=""`)
	require.Contains(t, body, `href="/brand/style.css"`)
	require.Contains(t, header.Get("Content-Security-Policy"), "img-src 'self' https://cdn.acme.example;")
	body, header = r.pageWith(brand, "/brand/style.css")
	require.Equal(t, "text/css; charset=utf-8", header.Get("Content-Type"))
	require.Contains(t, body, "--accent: #ffd400; --accent-ink: #000000")
	require.Contains(t, body, "--accent: #112233; --accent-ink: #ffffff")

	file := filepath.Join(t.TempDir(), "logo.PNG")
	require.NoError(t, os.WriteFile(file, []byte("a picture"), 0o600))
	brand, err = LoadBrand(file, "", "")
	require.NoError(t, err)
	body, header = r.pageWith(brand, "/")
	require.Contains(t, body, `src="/brand/logo"`)
	require.NotContains(t, body, "/brand/style.css")
	require.Contains(t, header.Get("Content-Security-Policy"), "img-src 'self';")
	body, header = r.pageWith(brand, "/brand/logo")
	require.Equal(t, "a picture", body)
	require.Equal(t, "image/png", header.Get("Content-Type"))

	require.Equal(t, http.StatusNotFound, r.browser().get(r.base+"/brand/logo").status, "there is none")
}

func TestBrandRefused(t *testing.T) {
	t.Parallel()
	for _, logo := range []string{
		"http://cdn.example/logo.png", "javascript://x", "data://x", "https://", "https://user@cdn.example/x", "https://a;script-src/x", "logo.gif",
		"no-such-file.png", "https://*/x", "https://a'b/x",
	} {
		_, err := LoadBrand(logo, "", "")
		require.Error(t, err, logo)
	}
	for _, color := range []string{"red", "#fff", "#12345g", "#1234567", "#123;}", "112233"} {
		_, err := LoadBrand("", color, "")
		require.Error(t, err, color)
		_, err = LoadBrand("", "", color)
		require.Error(t, err, color)
	}
}

// TestInkIsReadable: on every colour of a coarse cube the ink has a contrast of at least 4.5 (WCAG 2.2 §1.4.3).
func TestInkIsReadable(t *testing.T) {
	t.Parallel()
	const digits = "0369cf"
	for _, r := range digits {
		for _, g := range digits {
			for _, b := range digits {
				color := "#" + string([]rune{r, r, g, g, b, b})
				ground, ok := luminance(color)
				require.True(t, ok)
				ink, _ := luminance(inkOn(color))
				require.GreaterOrEqual(t, (max(ground, ink)+0.05)/(min(ground, ink)+0.05), 4.5, color)
			}
		}
	}
}
