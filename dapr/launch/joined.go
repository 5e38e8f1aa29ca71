package launch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"haberdash/dapr/launch/appfile"
	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/infra/server"
	"haberdash/dapr/launch/process"
)

// buildJoined runs the build command of each app of another folder, with the whole environment of this program: it may
// need the settings of a package manager.
func buildJoined(ctx context.Context, o config.Options) error {
	for _, a := range o.OfFolders() {
		if len(a.Build) == 0 {
			continue
		}
		var out bytes.Buffer
		cmd := exec.CommandContext(ctx, a.Build[0], a.Build[1:]...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = a.Dir, &out, &out
		began := time.Now()
		fmt.Fprintf(o.Log, "%s: building: %s\n", a.ID, strings.Join(a.Build, " "))
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: build of %s failed: %w\n%s", a.Path, a.ID, err, process.LastLines(out.String(), 20))
		}
		fmt.Fprintf(o.Log, "%s: built in %s\n", a.ID, time.Since(began).Round(100*time.Millisecond))
	}
	return nil
}

// checkSecretsOfJoined refuses an app that wants a secret of the shop, or one that nobody has.
func (s *Shop) checkSecretsOfJoined(ofTheShop map[string]bool) error {
	for _, a := range s.opts.OfFolders() {
		for _, name := range slices.Concat(a.Secrets, a.Settings) {
			if ofTheShop[name] {
				return fmt.Errorf("%s: the secret %s belongs to the shop", a.Path, name)
			}
		}
		for _, name := range a.Secrets {
			if s.opts.Secrets == "env" && s.opts.Env[name] == "" && os.Getenv(name) == "" {
				return fmt.Errorf("%s: the app %s needs the secret %s: set the variable", a.Path, a.ID, name)
			}
		}
	}
	return nil
}

// createJoinedTopics creates the topics of apps that join on brokers that want them beforehand. The embedded broker has
// them from its start, and Redis creates a stream with its first message.
func (s *Shop) createJoinedTopics(ctx context.Context) (err error) {
	topics := s.opts.JoinedTopics()
	if len(topics) == 0 {
		return nil
	}
	switch s.opts.PubSub {
	case "kafka":
		err = server.CreateTopics(ctx, s.secrets["KAFKA_BROKERS"], topics...)
	case "rabbitmq":
		err = server.DeclareQueues(ctx, s.secrets["RABBITMQ_CONNECTION"], s.opts.Apps())
	case "nats":
		err = server.CreateStreams(ctx, s.secrets["NATS_URL"], topics...)
	}
	if err != nil {
		return fmt.Errorf("create the topics %s (PUBSUB=%s): %w", strings.Join(topics, ", "), s.opts.PubSub, err)
	}
	return nil
}

// subscribeTime is how long a sidecar may take to subscribe after its app is ready.
const subscribeTime = 10 * time.Second

// checkSubscriptions returns an error for an app that has joined and receives other topics than its app.yaml says. Dapr
// only logs that it leaves out a subscription.
func (s *Shop) checkSubscriptions(ctx context.Context) error {
	for _, a := range s.opts.Joined {
		got, err := s.awaitSubscriptions(ctx, a)
		if err != nil {
			return err
		}
		// The sidecar may not have added yet what the app asks for by itself.
		asked, err := s.askedFor(ctx, a)
		if err != nil {
			return err
		}
		if err := checkReceived(a, slices.Concat(got, asked)); err != nil {
			return err
		}
	}
	return nil
}

// awaitSubscriptions waits until an app receives all topics that it follows, and returns those that it has subscribed
// to.
func (s *Shop) awaitSubscriptions(ctx context.Context, a appfile.App) (got []string, err error) {
	for deadline := time.Now().Add(subscribeTime); ; {
		if got, err = s.subscriptions(ctx, a.ID); err != nil {
			return nil, err
		}
		missing := slices.IndexFunc(a.Follows, func(t appfile.Topic) bool { return !slices.Contains(got, t.Topic) })
		if missing < 0 {
			return got, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%s: %s follows the topic %s, but its sidecar receives no events of it: see make logs APP=%s",
				a.Path, a.ID, a.Follows[missing].Topic, a.ID)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// checkReceived returns an error for a topic to which an app subscribes by itself and which its app.yaml does not have.
func checkReceived(a appfile.App, subscribed []string) error {
	for _, topic := range subscribed {
		if !slices.Contains(a.Entry().Receives(), topic) {
			return fmt.Errorf("%s: the app %s subscribes to the topic %s, and `follows` does not have it", a.Path, a.ID, topic)
		}
	}
	return nil
}

// askedFor returns the topics to which an app subscribes by an answer to GET /dapr/subscribe, which is optional.
func (s *Shop) askedFor(ctx context.Context, a appfile.App) (topics []string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.AppURL(a.ID)+"/dapr/subscribe", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("dapr-api-token", s.file.AppToken(a.ID))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %s does not answer GET /dapr/subscribe: %w", a.Path, a.ID, err)
	}
	defer res.Body.Close()
	var asked []struct{ Topic string }
	if res.StatusCode != http.StatusOK || json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&asked) != nil {
		return nil, nil // Dapr takes this for none, too
	}
	for _, subscription := range asked {
		topics = append(topics, subscription.Topic)
	}
	return topics, nil
}

// subscriptions returns the topics that the sidecar of an app has subscribed to.
func (s *Shop) subscriptions(ctx context.Context, app string) (topics []string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.SidecarHTTP(app)+"/v1.0/metadata", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("dapr-api-token", s.SidecarToken(app))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var metadata struct{ Subscriptions []struct{ Topic string } }
	if err := json.NewDecoder(res.Body).Decode(&metadata); err != nil || res.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("the sidecar of %s answers %s", app, res.Status), err)
	}
	for _, subscription := range metadata.Subscriptions {
		topics = append(topics, subscription.Topic)
	}
	return topics, nil
}
