package activities_test

import (
	"testing"

	"github.com/acme/connections/internal/connections/connectionstest"
)

func TestMain(m *testing.M) { connectionstest.Main(m) }
