package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/acme/connections/internal/keyring"
)

func keysetCommand(a *app) *cobra.Command {
	command := &cobra.Command{
		Use: "keyset", Short: "Make the keysets that seal secrets", Args: noArgs,
		Long: "Secrets are sealed with two Tink keysets: one for refresh tokens and client secrets, one for access tokens.",
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var ifMissing bool
	create := &cobra.Command{
		Use: "create FILE", Short: "Write a new keyset to a file that does not exist yet",
		Long: "The file holds the key in clear, readable by you alone: keep it like a password, and keep a copy. What it seals can never be opened without it.",
		Args: oneArg("file"),
		RunE: func(_ *cobra.Command, args []string) error {
			if _, err := keyring.Load(args[0], args[0]); ifMissing && err == nil {
				_, err := fmt.Fprintf(a.stderr, "%s is a keyset already: left as it is.\n", args[0])
				return err
			}
			if err := keyring.Create(args[0]); err != nil {
				return err
			}
			if a.json() {
				return a.print(map[string]string{"keyset": args[0]})
			}
			_, err := fmt.Fprintf(a.stdout, "Wrote a new keyset to %s. Keep a copy: what it seals cannot be opened without it.\n", args[0])
			return err
		},
	}
	create.Flags().BoolVar(&ifMissing, "if-missing", false, "leave a keyset that is there as it is, and succeed")
	command.AddCommand(create)
	return command
}
