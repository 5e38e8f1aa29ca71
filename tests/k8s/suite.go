package main

import (
	"context"
	"os"
	"os/exec"
)

// localTests are the end-to-end tests that start a shop or a sidecar of their own on this machine.
const localTests = "^(TestShopSurvivesRestartsAndKills|TestDeletionIsCompletedAfterAnOutage|" +
	"TestSidecarsRefuseUnknownApps|TestAccountsAreOpenedByMail|" +
	"TestOneTraceShowsAnOrderFromTheRequestToTheMail|TestLogsHaveNoSecretsAndNoPersonalData|" +
	"TestTheWatcherFindsAViolation|TestAnAppJoinsTheShop|TestAnAppThatCannotJoinIsExplained)$"

// endToEnd runs the end-to-end suite.
func (t test) endToEnd(ctx context.Context) error { return t.goTest(ctx, "-skip", localTests) }

// audit compares the consumers and the documents with the logs, on any replica that answers.
func (t test) audit(ctx context.Context) error {
	if err := t.Connect(ctx); err != nil {
		return err
	}
	return t.goTest(ctx, "-run", "^TestConsumersAndDocumentsMatchTheLogs$")
}

func (t test) goTest(ctx context.Context, flags ...string) error {
	args := append([]string{"test", "-count=1", "-timeout=20m", "./tests/e2e"}, flags...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "E2E_SHOP="+t.DescriptionPath())
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}
