package pgtest

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { Main(m) }

func TestURLGivesEachTestItsOwn(t *testing.T) {
	t.Parallel()
	one, other := URL(t), URL(t)
	require.NotEqual(t, one, other)
	require.NoError(t, execute(one, "CREATE TABLE t (i int)"))
	require.NoError(t, execute(other, "CREATE TABLE t (i int)"))
}

func TestClusterLeavesNothing(t *testing.T) {
	t.Parallel()
	c, err := StartCluster(t.Context())
	require.NoError(t, err)
	require.NoError(t, execute(c.URL(), "SELECT 1"))
	require.NoError(t, c.Stop())
	require.NoError(t, c.Stop(), "twice is no error")
	require.Error(t, execute(c.URL(), "SELECT 1"))
	_, err = os.Stat(c.dir)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.Error(t, c.process.Signal(os.Interrupt), "the server has ended")
}

func TestClusterKeepsItsDataWhileItIsHalted(t *testing.T) {
	t.Parallel()
	c, err := StartCluster(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Stop()) })
	require.NoError(t, execute(c.URL(), "CREATE TABLE t (i int)"))
	c.Halt()
	require.Error(t, execute(c.URL(), "SELECT FROM t"))
	c.Halt()
	require.NoError(t, c.Resume(t.Context()))
	require.NoError(t, execute(c.URL(), "SELECT FROM t"))
}

func TestWithDatabase(t *testing.T) {
	t.Parallel()
	got, err := withDatabase("postgres://u:p@h:1/old?sslmode=disable", "new")
	require.NoError(t, err)
	require.Equal(t, "postgres://u:p@h:1/new?sslmode=disable", got)
	for _, bad := range []string{"host=h dbname=d", "http://h/d", "%"} {
		_, err := withDatabase(bad, "new")
		require.ErrorContains(t, err, "TEST_DATABASE_URL must be a URL")
	}
}
