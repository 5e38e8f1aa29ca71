package psp

import (
	"encoding/json"
	"net/http"
	"time"
)

// result is the answer to a request and what it changes.
type result struct {
	status int
	body   any
	entry  entry
	begun  bool   // the endpoint began to execute: its answer, whatever it is, belongs to the key
	token  string // of a confirmation that succeeded

	replayed bool // from the key's memory
}

// write executes a request once for its idempotency key. The change and the answer that the key remembers
// are one line of the journal: a crash leaves both or neither.
func (s *Server) write(do func(*tx) result) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		fault := s.faults.ofWrite()
		if s.stumble(w, r, fault) {
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
			defer s.end(key)
			s.linger(r, res.token)
		}
		if res.replayed {
			w.Header().Set("Idempotent-Replayed", "true")
		}
		s.finish(w, r, res, fault, wait)
	}
}

// execute decides and commits, or gives what the key remembers. first tells that it has taken the key up.
func (s *Server) execute(r *http.Request, do func(*tx) result, f *form, key string, fault fault) (res result, first bool, wait func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	replayed, bad := s.begin(key, f.fingerprint)
	switch {
	case bad != nil:
		return refuse(conflict(bad), *bad), false, s.barrier()
	case replayed != nil:
		return result{status: replayed.Status, body: replayed.Body, replayed: true}, false, s.barrier()
	}
	res = result{status: http.StatusInternalServerError, body: internalError(), begun: true}
	if fault != failed {
		res = f.checked(do(&tx{options: &s.options, state: s.state, form: f, id: r.PathValue("id"), now: time.Now()}))
	}
	if fault == muddled && res.begun {
		res.status, res.body = http.StatusInternalServerError, internalError()
	}
	s.commit(&res, key, f.fingerprint)
	return res, true, s.barrier()
}

// begin takes up a key: it gives the answer that the key remembers, or the error why it must not be used.
func (s *Server) begin(key, fingerprint string) (*recorded, *apiError) {
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
			return nil, &apiError{Type: idempotency,
				Message: "Keys for idempotent requests can only be used with the same parameters and endpoint they were first used with."}
		}
		return &was, nil
	}
	s.running[key] = true
	return nil, nil
}

func conflict(e *apiError) int {
	if e.Code == "idempotency_key_in_use" {
		return http.StatusConflict
	}
	return http.StatusBadRequest
}

func (s *Server) end(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, key)
}

// commit applies a result's change and writes it, with the answer for its key, to the journal.
func (s *Server) commit(res *result, key, fingerprint string) {
	raw, err := json.Marshal(res.body)
	if err != nil {
		panic(err) // of our own types
	}
	res.body = json.RawMessage(raw)
	e := res.entry
	if key != "" && res.begun {
		e.Call = &recorded{Key: key, Fingerprint: fingerprint, Status: res.status, Body: raw}
	}
	if s.hooks == nil {
		e.Events = nil
	}
	s.record(e)
}

// record makes a change: in memory, in the journal, and in the queue of webhooks. The caller holds mu.
func (s *Server) record(e entry) {
	if e.empty() {
		return
	}
	s.state.apply(e)
	if s.journal != nil {
		s.journal.append(e)
	}
	if s.hooks != nil {
		for _, ev := range e.Events {
			s.hooks.add(ev)
		}
	}
}

// barrier gives the wait for what the journal has taken so far. The caller holds mu.
func (s *Server) barrier() func() error {
	if s.journal == nil {
		return func() error { return nil }
	}
	return s.journal.barrier()
}

// delivered notes that an event needs no further delivery. Should the note be lost, it is delivered twice.
func (s *Server) delivered(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record(entry{Delivered: id})
}

// finish answers once the journal has what the answer tells.
func (s *Server) finish(w http.ResponseWriter, r *http.Request, res result, fault fault, wait func() error) {
	if err := wait(); err != nil || fault == lost {
		panic(http.ErrAbortHandler) // no answer at all
	}
	answer(w, res)
}

func answer(w http.ResponseWriter, res result) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(res.status)
	_ = json.NewEncoder(w).Encode(res.body)
}
