package main

import (
	"fmt"
	"sync"

	"go.temporal.io/sdk/worker"

	"github.com/acme/connections/activities"
	"github.com/acme/connections/workflows"
)

// nexusWorkers serve the task queues that are for one owner each.
type nexusWorkers []worker.Worker

// newNexusWorkers makes those that CONNECTIONS_NEXUS_QUEUES names, in the role "activity".
func newNexusWorkers(o options, p *parts, handOut *activities.HandOut, onFatal func(error)) (nexusWorkers, error) {
	if !o.has(roleActivity) {
		return nil, nil
	}
	var all nexusWorkers
	for queue, owner := range p.handOut.NexusQueues {
		service, err := handOut.NexusService(p.vault, owner, p.log)
		if err != nil {
			return nil, fmt.Errorf("the Nexus service of task queue %q could not be made: %w", queue, err)
		}
		w := worker.New(p.temporal, queue, worker.Options{
			WorkerStopTimeout:     workflows.WorkerStopLimit,
			DisableWorkflowWorker: true,
			OnFatalError:          onFatal,
		})
		w.RegisterNexusService(service)
		all = append(all, w)
	}
	return all, nil
}

// start starts them all, or none.
func (all nexusWorkers) start() error {
	for i, w := range all {
		if err := w.Start(); err != nil {
			all[:i].stop()
			return fmt.Errorf("a Temporal worker of CONNECTIONS_NEXUS_QUEUES did not start: %w", err)
		}
	}
	return nil
}

// stop stops them at the same time: each lets what it has under way finish.
func (all nexusWorkers) stop() {
	var stopping sync.WaitGroup
	for _, w := range all {
		stopping.Go(w.Stop)
	}
	stopping.Wait()
}
