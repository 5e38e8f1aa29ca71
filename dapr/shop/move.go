package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"haberdash/dapr/archive"
	"haberdash/dapr/launch"
)

// shopOf is the running shop of a run directory, as who moves it sees it.
func shopOf(dir string, st launch.State) archive.Client {
	s := archive.Client{Gateway: fmt.Sprintf("http://127.0.0.1:%d", st.GatewayPort), Sidecar: func(app string) string { return sidecarOf(st, app) }}
	s.SignIn = func(ctx context.Context) (string, error) { return signIn(ctx, s.Gateway, dir) }
	return s
}

// exportShop writes the running shop's data into a file.
func exportShop(ctx context.Context, o launch.Options, args []string) error {
	keep := os.Getenv("READ_ONLY")
	if keep != "" && keep != "keep" {
		return fmt.Errorf("READ_ONLY=%s is unknown: READ_ONLY=keep leaves the shop read-only, or leave it out", keep)
	}
	dir, err := launch.RunDirOf(o)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "shop.ndjson.gz")
	if len(args) > 0 && args[0] != "" {
		path = args[0]
	}
	st, err := running(o)
	if err != nil {
		return err
	}
	prints, err := launch.SecretPrints(dir)
	if err != nil {
		return err
	}
	t, err := archive.Export(ctx, shopOf(dir, st), path, archive.ExportOptions{State: st.Choices["STATE"], Secrets: prints, StayReadOnly: keep != "", Log: os.Stdout})
	if err != nil {
		return err
	}
	printFigures(t.Summary)
	fmt.Println("written", path)
	if keep != "" {
		fmt.Println("the shop stays read-only: make read-only SWITCH=off ends it")
	}
	return nil
}

// importShop starts a shop on another state store with what the file has, and compares the two.
func importShop(ctx context.Context, o launch.Options, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return errors.New("name the file of an export, and the store: make import-data FILE=shop.ndjson.gz STATE=postgres")
	}
	header, trailer, err := archive.Check(args[0])
	if err != nil {
		return err
	}
	dir, err := launch.RunDirOf(o)
	if err != nil {
		return err
	}
	if locked, err := launch.Running(dir); err != nil || locked {
		return errors.Join(errors.New("a shop is running: `make down` first, this starts one itself"), err)
	}
	if err := sameSecrets(dir, header); err != nil {
		return err
	}
	if _, err := launch.Build(ctx, o); err != nil {
		return err
	}
	fmt.Printf("moving a shop of %s from its %s\n", header.At.Local().Format("2006-01-02 15:04"), header.State)
	if err := moveIn(ctx, o, args[0]); err != nil {
		return err
	}
	// Documents are made from the logs; an empty catalogue stays empty.
	for name, value := range map[string]string{"REBUILD": "on", "DEMO_CATALOGUE": "off"} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	if err := start(ctx, o); err != nil {
		return err
	}
	st, err := running(o)
	if err != nil {
		return err
	}
	figures, err := shopOf(dir, st).Summarize(ctx)
	if err != nil {
		return err
	}
	printFigures(figures)
	for _, d := range figures.Differences(trailer.Summary) {
		fmt.Println(d)
		err = errors.New("the shop runs, but it is not the one that was exported")
	}
	if err == nil {
		fmt.Println("equal to the shop that was exported")
	}
	return err
}

// moveIn has the apps take the file, and do nothing else.
func moveIn(ctx context.Context, o launch.Options, path string) error {
	defer launch.Leave()
	o.SkipBuild, o.Env = true, archive.ImportEnv
	s, err := launch.Start(ctx, o)
	if err != nil {
		return err
	}
	err = archive.Import(ctx, archive.Client{Sidecar: s.SidecarHTTP}, path)
	return errors.Join(err, s.Stop(context.WithoutCancel(ctx)))
}

// sameSecrets refuses data that is of no use in the run directory: guests' tokens and order ids are made with one
// secret, signing keys are sealed with the other.
func sameSecrets(dir string, h archive.Header) error {
	prints, err := launch.SecretPrints(dir)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(h.Secrets)) {
		if prints[name] != h.Secrets[name] {
			return fmt.Errorf("the exported shop has another %s: copy its secrets.env from its run directory to %s", name, dir)
		}
	}
	return nil
}

// readOnly turns read-only mode of the running shop on or off.
func readOnly(ctx context.Context, o launch.Options, args []string) error {
	if len(args) != 1 || args[0] != "on" && args[0] != "off" {
		return errors.New("on or off: make read-only SWITCH=off")
	}
	st, err := running(o)
	if err != nil {
		return err
	}
	dir, err := launch.RunDirOf(o)
	if err != nil {
		return err
	}
	if err := shopOf(dir, st).SetReadOnly(ctx, args[0] == "on"); err != nil {
		return err
	}
	fmt.Println("read-only:", args[0])
	return nil
}

func printFigures(f archive.Summary) {
	t := auditTable(os.Stdout)
	for _, app := range audited {
		for _, a := range f.Audits[app] {
			auditRow(t, app, a)
		}
	}
	t.Flush()
}
