//go:build unix

package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is who runs the server; nil means that this process's own account does.
type account struct{ uid, gid uint32 }

// serverAccount finds an account for the server, which refuses to run as root.
func serverAccount() (*account, error) {
	if os.Getuid() != 0 {
		return nil, nil //nolint:nilnil // nil is the own account
	}
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(found.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(found.Gid, 10, 32)
		if uidErr == nil && gidErr == nil {
			return &account{uid: uint32(uid), gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("pgtest: Postgres refuses to run as root, and there is no account \"postgres\" or \"nobody\": " +
		"run the tests as another user, or set TEST_DATABASE_URL")
}

// longestDirectory leaves room for the socket's name in the 103 bytes that every system allows.
const longestDirectory = 80

// makeDirectory makes a private directory that the account can reach. Its name must be short, for the socket's sake.
func makeDirectory(as *account) (string, error) {
	base := os.TempDir()
	if len(base) > longestDirectory || (as != nil && !reachable(base)) {
		base = "/tmp"
	}
	dir, err := os.MkdirTemp(base, "pgtest-")
	if err != nil {
		return "", fmt.Errorf("pgtest: no directory for the cluster: %w", err)
	}
	if as != nil {
		if err := os.Chown(dir, int(as.uid), int(as.gid)); err != nil {
			return "", errors.Join(fmt.Errorf("pgtest: no directory for the cluster: %w", err), os.RemoveAll(dir))
		}
	}
	return dir, nil
}

// reachable reports whether everybody may enter a directory and all above it.
func reachable(dir string) bool {
	for {
		info, err := os.Stat(dir)
		if err != nil || info.Mode()&0o001 == 0 {
			return false
		}
		if parent := filepath.Dir(dir); parent != dir {
			dir = parent
			continue
		}
		return true
	}
}

// attributes are those of a process of the account.
func attributes(as *account) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{}
	if as != nil {
		attr.Credential = &syscall.Credential{Uid: as.uid, Gid: as.gid}
	}
	endWithParent(attr)
	return attr
}
