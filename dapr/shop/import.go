package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"haberdash/dapr/launch"
)

// importFile sends a catalogue file to the running shop's public API as the administrator: a .csv in
// Shopify's format, or .ndjson of the API's own product form.
func importFile(ctx context.Context, o launch.Options, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return errors.New("name a catalogue file: make import FILE=products.csv")
	}
	contentType := map[string]string{".csv": "text/csv", ".ndjson": "application/x-ndjson", ".jsonl": "application/x-ndjson"}[strings.ToLower(filepath.Ext(args[0]))]
	if contentType == "" {
		return fmt.Errorf("%s: expected a .csv (Shopify's product export) or .ndjson file", args[0])
	}
	file, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer file.Close()
	dir, err := launch.RunDirOf(o)
	if err != nil {
		return err
	}
	st, err := launch.ReadState(dir)
	if err != nil {
		return err
	}
	if st.Status != launch.Ready {
		return errors.New("the shop is not running: make up")
	}
	base := fmt.Sprintf("http://127.0.0.1:%d", st.GatewayPort)
	token, err := signIn(ctx, base, dir)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/api/v1/products/import", file)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Authorization", "Bearer "+token)
	var report struct {
		Created, Updated, Unchanged, Failed int
		Errors                              []struct {
			Line           int
			Handle, Reason string
		}
	}
	if err := exchange(req, &report); err != nil {
		return fmt.Errorf("import %s: %w", args[0], err)
	}
	for _, e := range report.Errors {
		fmt.Printf("  line %d, %s: %s\n", e.Line, e.Handle, e.Reason)
	}
	fmt.Printf("%d created, %d updated, %d unchanged, %d failed\n", report.Created, report.Updated, report.Unchanged, report.Failed)
	if report.Failed > 0 {
		return errQuiet
	}
	return nil
}

// signIn gets the local administrator's access token.
func signIn(ctx context.Context, base, runDir string) (string, error) {
	email, password := launch.Administrator(runDir)
	body, err := json.Marshal(map[string]string{"email": email, "password": password})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/api/v1/auth/login", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	var session struct{ AccessToken string }
	if err := exchange(req, &session); err != nil {
		return "", fmt.Errorf("sign in as %s: %w", email, err)
	}
	return session.AccessToken, nil
}

func exchange(req *http.Request, reply any) error {
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		var problem struct{ Detail string }
		json.NewDecoder(res.Body).Decode(&problem)
		return fmt.Errorf("the shop answered %s: %s", res.Status, problem.Detail)
	}
	return json.NewDecoder(res.Body).Decode(reply)
}
