package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// healthCommand asks a running worker: for containers, whose images have no shell and no curl.
func healthCommand() *cobra.Command {
	var url string
	command := &cobra.Command{
		Use: "healthcheck", Short: "Ask a running worker whether it is ready, and exit 0 or 1", Args: cobra.NoArgs,
		Long: "Asks /readyz of a worker with the web role. For container health checks.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			request, err := http.NewRequestWithContext(cmd.Context(), http.MethodGet, url, nil)
			if err != nil {
				return &usageError{errors.New("--url is not a URL")}
			}
			response, err := (&http.Client{Timeout: 4 * time.Second}).Do(request)
			if err != nil {
				return errors.New("no worker answers there")
			}
			defer func() { _ = response.Body.Close() }()
			said, err := io.ReadAll(io.LimitReader(response.Body, 1<<10))
			if err != nil || response.StatusCode != http.StatusOK {
				return fmt.Errorf("not ready: %s", said)
			}
			_, err = cmd.OutOrStdout().Write(said)
			return err
		},
	}
	command.Flags().StringVar(&url, "url", "http://127.0.0.1:8080/readyz", "the worker's `URL`")
	return command
}
