package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"syscall"

	"code.dny.dev/ssrf"

	"github.com/acme/connections/internal/connector"
)

// errForbiddenAddress: a name resolved to an address that no provider has.
var errForbiddenAddress = errors.New("oauth: forbidden address")

// IsLoopbackURL reports whether a URL leads to this machine, and the connector may.
func IsLoopbackURL(c connector.Connector, u *url.URL) bool {
	return c.Loopback && connector.IsLoopback(u.Hostname())
}

// control judges the address that is really dialled, after name resolution, so that no DNS answer leads inside: for
// providers, public addresses and port 443 only; for a server on this machine, loopback only.
func control(loopback bool) func(network, address string, _ syscall.RawConn) error {
	if loopback {
		return func(_, address string, _ syscall.RawConn) error {
			if at, err := netip.ParseAddrPort(address); err != nil || !at.Addr().Unmap().IsLoopback() {
				return errForbiddenAddress
			}
			return nil
		}
	}
	guard := ssrf.New(
		ssrf.WithPorts(443),
		// Azure's platform address is public by number, and inside by nature.
		ssrf.WithDeniedV4Prefixes(netip.MustParsePrefix("168.63.129.16/32")),
	)
	return func(network, address string, conn syscall.RawConn) error {
		if err := guard.Safe(network, address, conn); err != nil {
			return fmt.Errorf("%w: %w", errForbiddenAddress, err)
		}
		return nil
	}
}

// DialControl is the guard of every call, for net.Dialer.Control of other clients whose URLs somebody typed. With
// loopback it lets through this machine and nothing else.
func DialControl(loopback bool) func(network, address string, conn syscall.RawConn) error {
	return control(loopback)
}

// Resolver is the part of [net.Resolver] that CheckHost asks.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// CheckHost asks the guard about every address of a host, without dialling: an early word on what each call checks
// again. An error of the resolver's is returned as it is.
func CheckHost(ctx context.Context, resolver Resolver, host string) error {
	addresses, err := resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return err
	}
	if len(addresses) == 0 {
		return ErrForbiddenAddress
	}
	guard := control(false)
	for _, address := range addresses {
		network := "tcp6"
		if address.Unmap().Is4() {
			network = "tcp4"
			address = address.Unmap()
		}
		if err := guard(network, netip.AddrPortFrom(address, 443).String(), nil); err != nil {
			return ErrForbiddenAddress
		}
	}
	return nil
}

// ErrForbiddenAddress: a host resolves to an address that no provider has.
var ErrForbiddenAddress = errForbiddenAddress
