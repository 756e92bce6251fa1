package oauth

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"code.dny.dev/ssrf"
)

// errForbiddenAddress: a name resolved to an address that no provider has.
var errForbiddenAddress = errors.New("oauth: forbidden address")

// control judges the address that is really dialled, after name resolution, so that no DNS answer leads inside: for
// providers, public addresses and port 443 only; for the sandbox, loopback only.
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
