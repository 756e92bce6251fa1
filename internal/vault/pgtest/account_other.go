//go:build !unix

package pgtest

import (
	"errors"
	"syscall"
)

type account struct{}

func serverAccount() (*account, error) {
	return nil, errors.New("pgtest: a private server is supported on Unix only: set TEST_DATABASE_URL")
}

func makeDirectory(*account) (string, error) { return "", errors.ErrUnsupported }

func attributes(*account) *syscall.SysProcAttr { return nil }

func lockThread() {}
