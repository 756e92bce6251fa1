package web

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"
)

// Brand is how the platform looks on the pages. The zero Brand is ours.
type Brand struct {
	// LogoURL is an https URL; LogoFile and LogoType are a file that is served by us instead. Both may be empty.
	LogoURL  string
	LogoFile []byte
	LogoType string
	// Color is that of buttons, as #rrggbb, and ColorDark that on a dark ground; empty for ours.
	Color, ColorDark string
}

// maxLogo bounds a logo that we serve.
const maxLogo = 512 << 10

// LoadBrand reads a logo (an https URL or a file) and checks the colours; each may be empty.
func LoadBrand(logo, color, colorDark string) (Brand, error) {
	b := Brand{Color: color, ColorDark: colorDark}
	if b.ColorDark == "" {
		b.ColorDark = color
	}
	for _, c := range []string{b.Color, b.ColorDark} {
		if _, ok := luminance(c); c != "" && !ok {
			return b, fmt.Errorf("the platform's colour %q must be written as #rrggbb", c)
		}
	}
	switch {
	case logo == "":
		return b, nil
	case strings.Contains(logo, "://"):
		u, err := url.Parse(logo)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.ContainsAny(u.Host, " ;,'\"*") {
			return b, errors.New("the platform's logo must be an https URL, or a file")
		}
		b.LogoURL = logo
		return b, nil
	}
	types := map[string]string{".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}
	if b.LogoType = types[strings.ToLower(filepath.Ext(logo))]; b.LogoType == "" {
		return b, errors.New("the platform's logo must be an SVG, PNG, JPEG or WebP file")
	}
	var err error
	if b.LogoFile, err = os.ReadFile(logo); err != nil || len(b.LogoFile) > maxLogo { //nolint:gosec // the operator names the file
		return b, fmt.Errorf("cannot use the platform's logo: give a file that this process may read, of at most %d KiB", maxLogo>>10)
	}
	return b, nil
}

// logo is what the pages show; empty if there is none.
func (b Brand) logo() string {
	if b.LogoFile != nil {
		return "/brand/logo"
	}
	return b.LogoURL
}

// imageSource is what the policy must allow beside 'self'.
func (b Brand) imageSource() string {
	u, err := url.Parse(b.LogoURL)
	if b.LogoURL == "" || b.LogoFile != nil || err != nil {
		return ""
	}
	return " https://" + u.Host
}

// style is a stylesheet with the platform's colours.
func (b Brand) style() string {
	var css strings.Builder
	if b.Color != "" {
		css.WriteString(":root { --accent: " + b.Color + "; --accent-ink: " + inkOn(b.Color) + "; }\n")
	}
	if b.ColorDark != "" {
		css.WriteString("@media (prefers-color-scheme: dark) { :root { --accent: " + b.ColorDark + "; --accent-ink: " + inkOn(b.ColorDark) + "; } }\n")
	}
	return css.String()
}

// inkOn is black or white, whichever is read better: one of them has a contrast of at least 4.5 (WCAG 2.2 §1.4.3).
func inkOn(color string) string {
	const evenly = 0.179 // where black and white have the same contrast
	if l, _ := luminance(color); l > evenly {
		return "#000000"
	}
	return "#ffffff"
}

// luminance is the relative luminance of a colour written as #rrggbb (WCAG 2.2).
func luminance(color string) (float64, bool) {
	if len(color) != 7 || color[0] != '#' {
		return 0, false
	}
	n, err := strconv.ParseUint(color[1:], 16, 32)
	if err != nil {
		return 0, false
	}
	channel := func(shift uint) float64 {
		c := float64((n>>shift)&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*channel(16) + 0.7152*channel(8) + 0.0722*channel(0), true
}

func (s *Server) brandStyle(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write([]byte(s.Brand.style()))
}

// brandLogo serves the logo. A script in an SVG could only run if it were opened by itself: our policy forbids it.
func (s *Server) brandLogo(w http.ResponseWriter, _ *http.Request) {
	if s.Brand.LogoFile == nil {
		s.notFound(w)
		return
	}
	w.Header().Set("Content-Type", s.Brand.LogoType)
	_, _ = w.Write(s.Brand.LogoFile)
}

// initial is the letter that stands for a name where there is no logo.
func initial(name string) string {
	for _, r := range name {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return string(unicode.ToUpper(r))
		}
	}
	return "•"
}

// meaning says what a scope of OpenID Connect Core §5.4 and §11 gives, for people; empty for others.
func meaning(scope string) string {
	switch scope {
	case "openid":
		return "Know which account is yours"
	case "profile":
		return "Your name and profile"
	case "email":
		return "Your email address"
	case "phone":
		return "Your phone number"
	case "address":
		return "Your postal address"
	case "offline_access":
		return "Access while you are away"
	default:
		return ""
	}
}

// hue picks one of the eight colours of tiles, always the same for an id.
func hue(id string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return "hue" + strconv.Itoa(int(h.Sum32()%8))
}
