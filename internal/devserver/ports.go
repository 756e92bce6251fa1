package devserver

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"strconv"
	"strings"

	psnet "github.com/shirou/gopsutil/v4/net"
)

const loopback = "127.0.0.1"

func hostPort(port int) string { return net.JoinHostPort(loopback, strconv.Itoa(port)) }

// portOf is the port of a host:port, or 0.
func portOf(address string) int {
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		return 0
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return port
}

// checkPort fails with a sentence for people if an explicitly requested port is taken. Port 0 is always free.
func checkPort(port int, flag string) error {
	if port == 0 {
		return nil
	}
	l, err := net.Listen("tcp", hostPort(port)) //nolint:noctx // a bind on the loopback does not wait
	if err != nil {
		if isPortBusy(err.Error()) {
			return fmt.Errorf("port %d is already in use: choose another with %s, or stop the program that uses it", port, flag)
		}
		return fmt.Errorf("port %d cannot be used (%w): choose another with %s", port, err, flag)
	}
	return l.Close()
}

// checkPorts checks the ports that the caller asked for.
func (o Options) checkPorts() error {
	if err := checkPort(o.Port, "--temporal-port"); err != nil {
		return err
	}
	if !o.UI {
		return nil
	}
	if o.Port != 0 && o.Port == o.UIPort {
		return fmt.Errorf("port %d is asked for twice: choose different ports with --temporal-port and --ui-port", o.Port)
	}
	return checkPort(o.UIPort, "--ui-port")
}

// isPortBusy recognises the systems' words for a taken port.
func isPortBusy(text string) bool {
	return strings.Contains(text, "address already in use") || strings.Contains(text, "Only one usage of each socket address")
}

// freePorts fills the zeros among ports with free ports, all different.
func freePorts(ports ...*int) error {
	for _, port := range ports {
		if *port != 0 {
			continue
		}
		l, err := net.Listen("tcp", hostPort(0)) //nolint:noctx // a bind on the loopback does not wait
		if err != nil {
			return fmt.Errorf("find a free port: %w", err)
		}
		defer func() { _ = l.Close() }() // only when all are chosen, so that they differ
		addr, ok := l.Addr().(*net.TCPAddr)
		if !ok {
			return errors.New("find a free port: the listener has no TCP address")
		}
		*port = addr.Port
		if runtime.GOOS == "linux" {
			if err := reserve(l); err != nil {
				return fmt.Errorf("find a free port: %w", err)
			}
		}
	}
	return nil
}

// reserve leaves a connection of the port in TIME_WAIT, closed from the server's side: Linux picks free ports at
// random and would otherwise soon give the same one to another process. An explicit bind is still allowed.
func reserve(l net.Listener) error {
	near, err := net.Dial("tcp", l.Addr().String()) //nolint:noctx // a loopback connect to our own listener
	if err != nil {
		return err
	}
	defer func() { _ = near.Close() }()
	far, err := l.Accept()
	if err != nil {
		return err
	}
	return far.Close()
}

// listens reports whether the process itself has the port. Where the system does not tell, it is believed.
func listens(pid, port int) bool {
	conns, err := psnet.ConnectionsPid("tcp", int32(pid)) //nolint:gosec // a pid fits
	if err != nil {
		return true
	}
	for _, c := range conns {
		if c.Status == "LISTEN" && c.Laddr.Port == uint32(port) { //nolint:gosec // a port fits
			return true
		}
	}
	return false
}
