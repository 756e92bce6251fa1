package oauth

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/acme/connections/internal/connector"
)

// network is what a dialer says of an address.
func network(address string) string {
	if address[0] == '[' {
		return "tcp6"
	}
	return "tcp4"
}

func TestControl_Refuses(t *testing.T) {
	t.Parallel()
	guard := control(false)
	for address, what := range map[string]string{
		"127.0.0.1:443":                   "loopback",
		"127.255.255.254:443":             "loopback",
		"0.0.0.0:443":                     "this host",
		"0.1.2.3:443":                     "this network",
		"10.0.0.1:443":                    "RFC 1918",
		"10.255.255.255:443":              "RFC 1918",
		"172.16.0.1:443":                  "RFC 1918",
		"172.31.255.255:443":              "RFC 1918",
		"192.168.1.1:443":                 "RFC 1918",
		"100.64.0.1:443":                  "RFC 6598: carrier's own",
		"100.100.100.200:443":             "Alibaba's metadata",
		"169.254.0.1:443":                 "link-local",
		"169.254.169.254:443":             "AWS, GCP, Azure: metadata",
		"169.254.170.2:443":               "ECS: credentials",
		"168.63.129.16:443":               "Azure's platform",
		"192.0.0.192:443":                 "Oracle's metadata",
		"192.0.2.1:443":                   "documentation",
		"192.88.99.1:443":                 "6to4 relay",
		"198.18.0.1:443":                  "benchmarks",
		"198.51.100.1:443":                "documentation",
		"203.0.113.1:443":                 "documentation",
		"224.0.0.1:443":                   "multicast",
		"240.0.0.1:443":                   "reserved",
		"255.255.255.255:443":             "broadcast",
		"[::]:443":                        "this host",
		"[::1]:443":                       "loopback",
		"[::ffff:127.0.0.1]:443":          "v4-mapped loopback",
		"[::ffff:10.0.0.1]:443":           "v4-mapped private",
		"[::ffff:169.254.169.254]:443":    "v4-mapped metadata",
		"[::ffff:168.63.129.16]:443":      "v4-mapped Azure",
		"[::ffff:8.8.8.8]:443":            "v4-mapped, in general",
		"[::10.0.0.1]:443":                "v4-compatible",
		"[64:ff9b::10.0.0.1]:443":         "NAT64 of private",
		"[64:ff9b::169.254.169.254]:443":  "NAT64 of metadata",
		"[64:ff9b::8.8.8.8]:443":          "NAT64, in general",
		"[64:ff9b:1::1]:443":              "RFC 8215: local NAT64",
		"[64:ff9b:1:ffff::10.0.0.1]:443":  "RFC 8215: local NAT64",
		"[100::1]:443":                    "discard",
		"[2001::1]:443":                   "Teredo",
		"[2001:0:a00:1::1]:443":           "Teredo",
		"[2001:10::1]:443":                "ORCHID",
		"[2001:20::1]:443":                "ORCHIDv2",
		"[2001:db8::1]:443":               "documentation",
		"[2002:a00:1::1]:443":             "6to4 of private",
		"[2002:808:808::1]:443":           "6to4, in general",
		"[3fff::1]:443":                   "documentation",
		"[5f00::1]:443":                   "segment routing",
		"[fc00::1]:443":                   "unique local",
		"[fd00:ec2::254]:443":             "AWS: metadata",
		"[fd20:ce::254]:443":              "GCP: metadata",
		"[fe80::1]:443":                   "link-local",
		"[fe80::1%eth0]:443":              "link-local with a zone",
		"[2606:4700:4700::1111%eth0]:443": "public with a zone",
		"[fec0::1]:443":                   "site-local",
		"[feff:ffff::1]:443":              "site-local",
		"[ff02::1]:443":                   "multicast",
		"8.8.8.8:80":                      "port",
		"8.8.8.8:0":                       "port",
		"8.8.8.8:22":                      "port",
		"8.8.8.8:8443":                    "port",
		"[2606:4700:4700::1111]:80":       "port",
		"[2606:4700:4700::1111]:6379":     "port",
		"provider.test:443":               "a name is no address",
		"8.8.8.8":                         "no port",
		"[2606:4700:4700::1111]":          "no port",
		"0177.0.0.1:443":                  "octal",
		"2130706433:443":                  "a number",
		":443":                            "nothing",
		"/run/docker.sock":                "a path",
	} {
		require.ErrorIs(t, guard(network(address), address, nil), errForbiddenAddress, "%s: %s", address, what)
	}
	for _, other := range []string{"udp4", "udp6", "unix", "ip4:icmp", "tcp", ""} {
		require.ErrorIs(t, guard(other, "8.8.8.8:443", nil), errForbiddenAddress, other)
	}
}

func TestControl_Accepts(t *testing.T) {
	t.Parallel()
	guard := control(false)
	for _, address := range []string{
		"8.8.8.8:443", "1.1.1.1:443", "172.15.255.255:443", "172.32.0.1:443", "100.63.255.255:443", "100.128.0.1:443",
		"168.63.129.15:443", "168.63.129.17:443", "169.253.1.1:443", "192.167.1.1:443", "11.0.0.1:443", "223.255.255.1:443",
		"[2606:4700:4700::1111]:443", "[2a00:1450:4001::1]:443", "[2001:4860:4860::8888]:443", "[2400:cb00::1]:443",
	} {
		require.NoError(t, guard(network(address), address, nil), address)
	}
}

func TestControl_LoopbackMode(t *testing.T) {
	t.Parallel()
	guard := control(true)
	for _, address := range []string{"127.0.0.1:1", "127.0.0.1:65535", "127.9.9.9:80", "[::1]:443", "[::ffff:127.0.0.1]:80"} {
		require.NoError(t, guard(network(address), address, nil), address)
	}
	for _, address := range []string{
		"8.8.8.8:443", "10.0.0.1:80", "169.254.169.254:80", "0.0.0.0:80", "[::]:80", "[::ffff:10.0.0.1]:80",
		"[2606:4700:4700::1111]:443", "[64:ff9b::127.0.0.1]:80", "[::127.0.0.1]:80", "[fe80::1%lo]:80", "localhost:80", "/run/docker.sock", ":80",
	} {
		require.ErrorIs(t, guard(network(address), address, nil), errForbiddenAddress, address)
	}
}

// TestBase_TakesNothingFromTheEnvironment: net/http's own default would, but for loopback.
func TestBase_TakesNothingFromTheEnvironment(t *testing.T) {
	t.Parallel()
	for _, loopback := range []bool{true, false} {
		base, err := (&transport{connector: connector.Connector{Loopback: loopback}}).base(t.Context(), loopback)
		require.NoError(t, err)
		require.Nil(t, base.Proxy)
		require.True(t, base.DisableKeepAlives)
		require.True(t, base.DisableCompression)
		require.Nil(t, base.TLSNextProto["h2"])
		require.Nil(t, base.DialTLS) //nolint:staticcheck // deprecated: that is why it must be nil
		require.NotSame(t, http.DefaultTransport, base)
	}
}
