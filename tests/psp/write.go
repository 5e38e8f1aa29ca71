package psp

import (
	"encoding/json"
	"net/http"
	"time"
)

// result is the answer to a request, and the change that the request makes.
type result struct {
	status   int
	body     any
	entry    entry  // the change
	executed bool   // the request passed the first checks, so its idempotency key stores the answer
	token    string // the token of a confirmation that succeeded
	replayed bool   // the idempotency key had stored this answer
}

// write executes a request once for each idempotency key. The change and the answer that the key stores are one line of
// the journal, so after a crash either both are there or neither is.
func (s *Server) write(do func(*tx) result) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		fault := s.faults.drawForWrite()
		if s.failBefore(w, r, fault) {
			return
		}
		f, bad := readForm(r)
		if bad != nil {
			answer(w, refuse(http.StatusBadRequest, *bad))
			return
		}
		key := r.Header.Get("Idempotency-Key")
		res, first, wait := s.execute(r, do, f, key, fault)
		if first {
			defer s.releaseKey(key)
			s.delayAnswer(r, res.token)
		}
		if res.replayed {
			w.Header().Set("Idempotent-Replayed", "true")
		}
		s.finish(w, r, res, fault, wait)
	}
}

// execute executes a request and records its change, or returns the answer that the key stores. first is true if the
// request is the first with its key; the caller must then release the key. wait waits for the journal.
func (s *Server) execute(
	r *http.Request, do func(*tx) result, f *form, key string, fault fault,
) (res result, first bool, wait func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	replayed, bad := s.reserveKey(key, f.fingerprint)
	switch {
	case bad != nil:
		return refuse(statusOf(bad), *bad), false, s.barrier()
	case replayed != nil:
		return result{status: replayed.Status, body: replayed.Body, replayed: true}, false, s.barrier()
	}
	res = result{status: http.StatusInternalServerError, body: internalError(), executed: true}
	if fault != failedUnchanged {
		t := &tx{options: &s.options, state: s.state, form: f, id: r.PathValue("id"), now: time.Now()}
		res = f.checked(do(t))
	}
	if fault == failedChanged && res.executed {
		res.status, res.body = http.StatusInternalServerError, internalError()
	}
	s.commit(&res, key, f.fingerprint)
	return res, true, s.barrier()
}

// reserveKey reserves an idempotency key for a request. It returns the answer if the key stores one, and an error if
// the request must not use the key.
func (s *Server) reserveKey(key, fingerprint string) (*recordedCall, *apiError) {
	if key == "" {
		return nil, nil
	}
	if len(key) > 255 {
		return nil, &apiError{Type: idempotency, Message: "Idempotency keys are up to 255 characters long."}
	}
	if s.running[key] {
		return nil, &apiError{Type: idempotency, Code: "idempotency_key_in_use",
			Message: "There is currently another in-progress request using this Idempotency Key."}
	}
	if was, known := s.state.calls[key]; known {
		if was.Fingerprint != fingerprint {
			return nil, &apiError{Type: idempotency, Message: "Keys for idempotent requests can only be used with " +
				"the same parameters and endpoint they were first used with."}
		}
		return &was, nil
	}
	s.running[key] = true
	return nil, nil
}

// statusOf returns the HTTP status for an error of reserveKey.
func statusOf(e *apiError) int {
	if e.Code == "idempotency_key_in_use" {
		return http.StatusConflict
	}
	return http.StatusBadRequest
}

// releaseKey ends the first request with a key. Later requests get the stored answer.
func (s *Server) releaseKey(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, key)
}

// commit applies the change of a result, and adds it to the journal with the answer for the key. The caller holds mu.
func (s *Server) commit(res *result, key, fingerprint string) {
	raw, err := json.Marshal(res.body)
	if err != nil {
		panic(err) // our own types can always be encoded
	}
	res.body = json.RawMessage(raw)
	e := res.entry
	if key != "" && res.executed {
		e.Call = &recordedCall{Key: key, Fingerprint: fingerprint, Status: res.status, Body: raw}
	}
	if s.webhooks == nil {
		e.Events = nil
	}
	s.record(e)
}

// record applies a change to the state, the journal and the queue of webhooks. The caller holds mu.
func (s *Server) record(e entry) {
	if e.empty() {
		return
	}
	s.state.apply(e)
	if s.journal != nil {
		s.journal.append(e)
	}
	if s.webhooks != nil {
		for _, ev := range e.Events {
			s.webhooks.enqueue(ev)
		}
	}
}

// barrier returns a function that waits until all entries so far are in the journal. The caller holds mu.
func (s *Server) barrier() func() error {
	if s.journal == nil {
		return func() error { return nil }
	}
	return s.journal.barrier()
}

// recordDelivery records that an event was delivered. If a crash loses this record, the event is delivered twice.
func (s *Server) recordDelivery(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record(entry{Delivered: id})
}

// finish answers a request after its change is in the journal. It answers nothing if the journal fails, or if that is
// the fault of the call.
func (s *Server) finish(w http.ResponseWriter, r *http.Request, res result, fault fault, wait func() error) {
	if err := wait(); err != nil || fault == unanswered {
		panic(http.ErrAbortHandler) // cuts the connection without an answer
	}
	answer(w, res)
}

func answer(w http.ResponseWriter, res result) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(res.status)
	_ = json.NewEncoder(w).Encode(res.body)
}
