package daprd

import (
	"encoding/json"
	"strconv"
	"time"

	"haberdash/internal/sidecar"
)

// cloudEvent is a message in the JSON format of CloudEvents 1.0. The sidecar adds the members topic and pubsubname, and
// delivers the rest as it is. Of a delivery the app reads only id, data and traceparent, which the messages of all
// releases have.
type cloudEvent struct {
	SpecVersion     string          `json:"specversion"`
	ID              string          `json:"id"`
	Source          string          `json:"source,omitempty"`
	Type            string          `json:"type,omitempty"`
	Subject         string          `json:"subject,omitempty"`
	Time            time.Time       `json:"time,omitzero"`
	DataContentType string          `json:"datacontenttype"`
	DataSchema      string          `json:"dataschema,omitempty"`
	DataVersion     string          `json:"dataversion,omitempty"`
	TraceParent     string          `json:"traceparent,omitempty"`
	TraceID         string          `json:"traceid,omitempty"` // Dapr's name for traceparent
	Data            json.RawMessage `json:"data"`
}

func newCloudEvent(m sidecar.Message, traceParent string) cloudEvent {
	e := cloudEvent{
		SpecVersion: "1.0", ID: m.ID, Source: m.Source, Type: m.Type, Subject: m.Subject, Time: m.Time,
		DataContentType: "application/json", DataSchema: m.Schema, TraceParent: traceParent, TraceID: traceParent,
		Data: m.Data,
	}
	if m.Version > 0 {
		e.DataVersion = strconv.Itoa(m.Version)
	}
	return e
}

func (e cloudEvent) delivery(topic string) sidecar.Delivery {
	return sidecar.Delivery{ID: e.ID, Topic: topic, Data: e.Data, TraceParent: e.TraceParent}
}
