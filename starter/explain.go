package main

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/acme/connections/workflows"
)

func explainCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "explain ID", Short: "What the provider said when it last refused",
		Long: `Opens the sealed reply with which the provider last refused the connection, and shows what it said, quoted and without
anything that may be a credential. It needs the keyset "vault", so it is for operators.`,
		Args: oneArg("connection id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			r, err := c.LastRefusal(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if a.json() {
				return a.print(r)
			}
			rows := [][2]string{
				{"at", r.At.Format(time.RFC3339)},
				{"call", r.Call},
				{"HTTP status", fmt.Sprint(r.Status)},
				{"reason", r.Reason},
				{"which means", workflows.Reason(r.Reason).Sentence()},
			}
			for _, name := range slices.Sorted(maps.Keys(r.Said)) {
				rows = append(rows, [2]string{"it said: " + name, r.Said[name]})
			}
			return a.table(rows)
		},
	}
}
