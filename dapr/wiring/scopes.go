// Package wiring writes into Dapr's YAML files which app may use what: the components, the topics, and the operations
// of other apps. make roster does so for the apps of the shop, and the launcher also for apps that join.
package wiring

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"

	"haberdash/internal/roster"
)

var scopesBlock = regexp.MustCompile(`(?m)^scopes:\n(?:  - .*\n)+`)

// Scopes replaces the list of the apps that may use a component, in the file of the component, and for the message
// broker the topics that each app may use.
func Scopes(text string, apps []roster.App) (string, error) {
	var component struct{ Metadata struct{ Name string } }
	if err := yaml.Unmarshal([]byte(text), &component); err != nil {
		return text, err
	}
	if len(scopesBlock.FindAllString(text, -1)) != 1 {
		return text, errors.New("expected one list `scopes:` with at least one app, which is then replaced")
	}
	block := "scopes:\n"
	for _, app := range apps {
		if app.UsesComponent(component.Metadata.Name) {
			block += "  - " + app.ID + "\n"
		}
	}
	text = scopesBlock.ReplaceAllLiteralString(text, block)
	if component.Metadata.Name != "pubsub" {
		return text, nil
	}
	for name, value := range map[string]string{
		"protectedTopics":    strings.Join(roster.TopicsOf(apps), ","),
		"publishingScopes":   topicScopes(apps, roster.App.Publishes),
		"subscriptionScopes": topicScopes(apps, roster.App.Receives),
	} {
		item := regexp.MustCompile(`(?m)^    - name: ` + name + `\n      value: .*\n`)
		if n := len(item.FindAllString(text, -1)); n != 1 {
			return text, fmt.Errorf("%s is there %d times, expected once", name, n)
		}
		text = item.ReplaceAllLiteralString(text, "    - name: "+name+"\n      value: \""+value+"\"\n")
	}
	return text, nil
}

// topicScopes lists topics for each app that uses the broker, in Dapr's form. An app without topics has an empty list,
// which allows none; an app that is missing would be allowed all that are not protected.
func topicScopes(apps []roster.App, topics func(roster.App) []string) string {
	var list []string
	for _, app := range apps {
		if app.UsesComponent("pubsub") {
			list = append(list, app.ID+"="+strings.Join(topics(app), ","))
		}
	}
	return strings.Join(list, ";")
}
