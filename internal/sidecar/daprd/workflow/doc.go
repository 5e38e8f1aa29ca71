// Package workflow implements the ports sidecar.Workflows and sidecar.WorkflowHost with the workflow engine of a Dapr
// sidecar. The engine stores the history of each workflow and dispatches work items to a worker in the app. This
// package contains that worker; its package replay runs the functions of the workflows.
//
// # Why there is a worker of our own
//
// Dapr's Go SDK has a worker too: that of durabletask-go. This package uses the replay of durabletask-go (its package
// task), but neither its worker nor its client. The versions are Dapr 1.18.1 and durabletask-go v0.12.1. Each fault is
// listed with the test that shows it.
//
// The worker of durabletask-go (library_test.go):
//
//   - It runs any number of activities and replays at once. TestConcurrentActivities.
//   - When it stops, it drops the results of the activities under way, and they run again.
//     TestResultOfAnActivityThatIsUnderWayAtTheStop.
//   - It delivers a result once. If the engine does not accept it, the engine waits for it as long as the connection
//     lives. TestDeliveryOfAResultThatTheEngineRefusesOnce.
//
// The replay of durabletask-go (replay/library_test.go):
//
//   - A result that is stored before its action is ignored, and the workflow waits for it forever.
//     TestLibraryIgnoresAResultThatIsStoredBeforeItsAction.
//   - The timer of a wait that has received its event makes the library forget a later wait for the same event
//     (dapr/durabletask-go#114).
//     TestLibraryLosesAWaitToTheTimerOfAnEarlierWait.
//   - After a change of the code, an activity may get the result of another one.
//     TestLibraryGivesAnActivityTheResultOfAnother.
//   - If a replay differs from the history, the workflow fails, and nothing completes its order.
//     TestLibraryFailsAWorkflowWhoseReplayDiffersFromTheHistory.
//   - A panic of a workflow's function ends the process. TestLibraryDoesNotRecoverAPanicOfTheFunction.
//   - Actions have no order. TestLibraryReturnsActionsInRandomOrder.
//   - Its retry policies leave every attempt in the history, which every later step reads.
//     TestFailedActivityIsTriedAgainInTheHistoryThenInAChildWorkflow shows what this package does instead.
//
// The engine of Dapr:
//
//   - It dispatches activities and timers before it stores that it did, so a result may be stored before its action
//     when a turn breaks off. It does so under TestWorkflowsSurviveAnAppThatIsKilledRepeatedly;
//     TestResultThatIsStoredBeforeItsActionIsUsed builds such histories.
//   - It deadlocks when the last worker disconnects while a workflow waits for dispatch (dapr/dapr#10408): see
//     Adapter.Healthy. TestWorkflowsSurviveAnAppThatIsKilledRepeatedly.
//   - It corrupts the state of a workflow (dapr/dapr#10155): see Adapter.find. The same test logs "starting again".
//   - It cannot read a state that it is writing (dapr/dapr#10242): see Adapter.read. TestWorkflows fails without the
//     repetition.
//   - A start replaces an instance that has ended, an instance that has ended accepts events, and a start waits until
//     the function has run. TestEngineWithoutTheAdapter.
//   - It stores the last results of a worker only while the worker is connected: see lastResults. No test shows it
//     reliably.
//   - It crashes if a workflow ends at the moment when calls of the scheduler are dropped and dapr/config.yaml has a
//     retention policy. The tests therefore run without the policy: see configWithoutRetention in engine_test.go.
//
// # How it works
//
//	Start, Raise, Purge --> engine --> work items over one stream --> worker.accept
//	                          ^                                           |  one slot for each
//	                          |                                           v
//	                          +---- worker.deliver <---- replay.Run, or worker.runActivity
//
// Stream. Adapter.Run opens the stream GetWorkItems and opens it again whenever it breaks. Work items belong to their
// stream: when it breaks, the engine dispatches them again, so the worker cancels its activities and delivers nothing.
//
// Work items. An item is either one attempt of an activity or one turn of a workflow. Each waits for a free slot
// (Options). The result is sent until the engine accepts it. When the context of Run ends, the worker accepts no more
// items and waits for the activities under way.
//
// Replay. A turn is one call of the workflow's function, with the history of the instance. Requests for actions whose
// results the history contains return at once; at the first other one, the library leaves the function with a panic.
// The new actions go to the engine, which performs them and stores them in the history.
//
// Repair of histories. Before a replay, results move behind their actions (reorder in replay/history.go). During a
// replay, the firing of timers that are no longer needed is removed (disarm), and each requested action is compared
// with the recorded one (request, both in replay/context.go). If the two differ, the workflow starts over with its
// input and its events (restart in replay/divergence.go).
//
// # When Dapr or durabletask-go is upgraded
//
//  1. Upgrade both go.mod and dapr/local/go.mod: the library must speak the protocol of the sidecar.
//  2. Run go test ./internal/sidecar/daprd/workflow/... with each state store (STATE=sqlite, redis, postgres), the test
//     TestWorkflowsSurviveAnAppThatIsKilledRepeatedly with -count=10.
//  3. Part "library" of a test in library_test.go fails: the fault of the worker is fixed. When all three are, compare
//     the library's worker with this one again.
//  4. A test in replay/library_test.go fails: the fault of the replay is fixed. Its comment names the code that is then
//     no longer needed.
//  5. TestEngineWithoutTheAdapter fails: Adapter.Start or Adapter.Raise may no longer need to ask first.
//  6. The deadlock is fixed if TestWorkflowsSurviveAnAppThatIsKilledRepeatedly passes although engine.ServeHTTP in
//     engine_test.go always answers 200. With 1.18.1 it fails. Then remove Adapter.Healthy, its use in apps/orders, and
//     the allowance for it in the liveness probe of deploy/base/app/app.yaml.
//  7. Corrupt states are fixed if that test no longer logs "starting again" in ten runs. The replacement ids must stay
//     as long as a store may contain them.
//  8. Reads are fixed if TestWorkflows passes ten times although Adapter.read does not repeat.
//  9. The crash is fixed if the tests pass with dapr/config.yaml itself in place of configWithoutRetention.
//
// These details of the library and the engine are no documented interface, and a new version may change them:
//
//   - the texts failurePrefix (replay/context.go) and "declared in metadata" (instance.go);
//     TestFailedActivityIsTriedAgainInTheHistoryThenInAChildWorkflow fails if the first has changed;
//   - task.ErrTaskBlocked as the panic that leaves a function, and the order in which the library reads the slice of
//     events, which replay changes ahead of it; TestResultThatIsStoredBeforeItsActionIsUsed fails;
//   - numbers of actions that begin with zero and grow by one, and the name of an event as the name of its timer;
//     TestTimerOfAnEarlierWaitDoesNotEndALaterOne fails;
//   - connectedWorkers in the metadata of the sidecar, and the health probe of dapr/apps.yaml (health.go).
//
// Instances survive an upgrade. Their histories contain the names of workflows and activities, the name and the input
// of the child workflow that retries an activity (replay/retry.go), and replacement ids (instance.go): none may
// change.
package workflow
