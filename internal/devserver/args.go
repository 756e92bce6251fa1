package devserver

import "strconv"

// args is the command line of the server. [isServerOn] recognises it.
func (o Options) args() []string {
	args := []string{
		"server", "start-dev",
		"--ip", loopback,
		"--port", strconv.Itoa(o.Port),
		"--log-level", "error",
	}
	if o.UI {
		args = append(args, "--ui-port", strconv.Itoa(o.UIPort))
	} else {
		args = append(args, "--headless")
	}
	if o.DataDir != "" {
		args = append(
			args,
			"--db-filename", o.dbFile(),
			// Twice as fast, and safe against a crash of the process.
			"--sqlite-pragma", "journal_mode=wal",
			"--sqlite-pragma", "synchronous=normal",
		)
	}
	if o.Namespace != "default" {
		args = append(args, "--namespace", o.Namespace)
	}
	for _, name := range o.SearchAttributes {
		args = append(args, "--search-attribute", name+"=Keyword")
	}
	// With the default of 20 polls a second, one shard puts 50 ms under every step of a workflow.
	for _, queue := range []string{"transfer", "timer", "outbound"} {
		args = append(args, "--dynamic-config-value", "history."+queue+"ProcessorMaxPollRPS=2000")
	}
	return args
}
