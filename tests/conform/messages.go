package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
)

// message is a message of a delivery. Its event is the CloudEvent.
type message struct {
	entry string
	event map[string]any
}

// parseDelivery returns the messages of a request, none if it is no delivery. decoded is the body, which the messages
// are parts of.
func parseDelivery(body []byte) (messages []message, bulk bool, decoded map[string]any) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber() // positions keep all their digits
	if d.Decode(&decoded) != nil {
		return nil, false, nil
	}
	if _, single := decoded["specversion"]; single {
		return []message{{event: decoded}}, false, decoded
	}
	entries, _ := decoded["entries"].([]any)
	for _, e := range entries {
		entry, _ := e.(map[string]any)
		event, _ := entry["event"].(map[string]any)
		id, _ := entry["entryId"].(string)
		if event == nil || id == "" {
			return nil, false, nil
		}
		messages = append(messages, message{id, event})
	}
	return messages, true, decoded
}

// statusesOf returns the status of each message in the answer of an app: SUCCESS, RETRY or DROP. An answer without one
// stands for what a sidecar makes of it.
func statusesOf(messages []message, status int, body []byte) (list []string) {
	var answer struct {
		Status   string
		Statuses []struct{ EntryID, Status string }
	}
	whole := "RETRY"
	switch {
	case status == http.StatusNotFound:
		whole = "DROP"
	case status >= 200 && status < 300:
		whole = "SUCCESS"
		if len(bytes.TrimSpace(body)) > 0 && json.Unmarshal(body, &answer) != nil {
			whole = "RETRY"
		}
		if answer.Status != "" {
			whole = strings.ToUpper(answer.Status)
		}
	}
	for _, m := range messages {
		of := whole
		if whole == "SUCCESS" && m.entry != "" {
			of = "RETRY" // a sidecar delivers an entry again that the answer leaves out
			for _, s := range answer.Statuses {
				if s.EntryID == m.entry {
					of = strings.ToUpper(s.Status)
				}
			}
		}
		list = append(list, of)
	}
	return list
}

// acknowledge answers a delivery in the place of the app.
func acknowledge(w http.ResponseWriter, messages []message, bulk bool) {
	type status struct {
		EntryID string `json:"entryId,omitempty"`
		Status  string `json:"status"`
	}
	var answer any = status{Status: "SUCCESS"}
	if bulk {
		list := []status{}
		for _, m := range messages {
			list = append(list, status{m.entry, "SUCCESS"})
		}
		answer = map[string]any{"statuses": list}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

// recorded keeps a copy of an answer.
type recorded struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

// WriteHeader implements http.ResponseWriter.
func (r *recorded) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *recorded) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	r.body.Write(p)
	return r.ResponseWriter.Write(p)
}
