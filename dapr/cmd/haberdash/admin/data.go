package admin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"haberdash/dapr/archive"
	"haberdash/dapr/cmd/haberdash/lifecycle"
	"haberdash/dapr/launch"
	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/rundir"
	"haberdash/dapr/launch/secrets"
	"haberdash/internal/roster"
)

func (i installation) archiveClient() archive.Client {
	return archive.Client{Gateway: i.gateway(), Sidecar: i.sidecar, Token: i.token, SignIn: i.signIn}
}

// Export writes the data of the running shop into the file that args name. READ_ONLY=keep leaves the shop read-only.
func Export(ctx context.Context, o config.Options, args []string) error {
	keep := os.Getenv("READ_ONLY")
	if keep != "" && keep != "keep" {
		return fmt.Errorf("READ_ONLY=%s is unknown: READ_ONLY=keep leaves the shop read-only, or leave it out", keep)
	}
	shop, err := running(o)
	if err != nil {
		return err
	}
	path := filepath.Join(shop.dir, "shop.ndjson.gz")
	if len(args) > 0 && args[0] != "" {
		path = args[0]
	}
	prints, err := secrets.Fingerprints(shop.dir)
	if err != nil {
		return err
	}
	t, err := archive.Export(ctx, shop.archiveClient(), path, archive.ExportOptions{
		State: shop.state.Choices["STATE"], Secrets: prints, StayReadOnly: keep != "", Log: os.Stdout,
	})
	if err != nil {
		return err
	}
	printSummary(t.Summary)
	fmt.Println("written", path)
	if keep != "" {
		fmt.Println("the shop stays read-only: make read-only SWITCH=off ends it")
	}
	return nil
}

// ImportData starts a shop on another state store with the data of the file that args name, and compares the data with
// the export.
func ImportData(ctx context.Context, o config.Options, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return errors.New("name the file of an export, and the store: " +
			"make import-data FILE=shop.ndjson.gz STATE=postgres")
	}
	header, trailer, err := archive.Check(args[0])
	if err != nil {
		return err
	}
	dir, err := lifecycle.RunDir(o)
	if err != nil {
		return err
	}
	if locked, err := rundir.Running(dir); err != nil || locked {
		return errors.Join(errors.New("a shop is running: `make down` first, because this command starts one"), err)
	}
	if err := checkSecrets(dir, header); err != nil {
		return err
	}
	if _, err := launch.Build(ctx, o); err != nil {
		return err
	}
	fmt.Printf("importing the data of %s from %s\n", header.At.Local().Format("2006-01-02 15:04"), header.State)
	if err := importInto(ctx, o, args[0]); err != nil {
		return err
	}
	// The next start builds the documents from the logs, and adds no demo products to an empty catalogue.
	for name, value := range map[string]string{"REBUILD": "on", "DEMO_CATALOGUE": "off"} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	if err := lifecycle.Up(ctx, o, nil); err != nil {
		return err
	}
	shop, err := running(o)
	if err != nil {
		return err
	}
	summary, err := shop.archiveClient().Summarise(ctx)
	if err != nil {
		return err
	}
	printSummary(summary)
	for _, d := range summary.Differences(trailer.Summary) {
		fmt.Println(d)
		err = errors.New("the shop runs, but its data differs from the export")
	}
	if err == nil {
		fmt.Println("equal to the shop that was exported")
	}
	return err
}

// importInto starts the apps in the mode in which they only accept an import, and sends them the file.
func importInto(ctx context.Context, o config.Options, path string) error {
	defer process.CloseGuard()
	o.SkipBuild, o.Env = true, archive.ImportEnv
	s, err := launch.Start(ctx, o)
	if err != nil {
		return err
	}
	err = archive.Import(ctx, archive.Client{Sidecar: s.SidecarHTTP, Token: s.SidecarToken}, path)
	return errors.Join(err, s.Stop(context.WithoutCancel(ctx)))
}

// checkSecrets fails if the run directory has other secrets than the exported shop. With them the data would be
// useless: guests' tokens and order ids are derived from one, and signing keys are encrypted with the other.
func checkSecrets(dir string, h archive.Header) error {
	prints, err := secrets.Fingerprints(dir)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(h.Secrets)) {
		if prints[name] != h.Secrets[name] {
			return fmt.Errorf("the exported shop has another %s: copy its %s from its run directory to %s",
				name, secrets.FileName, dir)
		}
	}
	return nil
}

// ReadOnly turns read-only mode of the running shop on or off, as args say.
func ReadOnly(ctx context.Context, o config.Options, args []string) error {
	if len(args) != 1 || args[0] != "on" && args[0] != "off" {
		return errors.New("on or off: make read-only SWITCH=off")
	}
	shop, err := running(o)
	if err != nil {
		return err
	}
	if err := shop.archiveClient().SetReadOnly(ctx, args[0] == "on"); err != nil {
		return err
	}
	fmt.Println("read-only:", args[0])
	return nil
}

func printSummary(s archive.Summary) {
	t := auditTable(os.Stdout)
	for _, app := range roster.Logging() {
		for _, a := range s.Audits[app] {
			auditRow(t, app, a)
		}
	}
	t.Flush()
}
