package auth

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"usher/policy"
)

const (
	maxRefusals  = 2000 // remembered
	keptRefusals = 500  // across a restart
	maxSteps     = 40   // of one
)

// refusalsSetting is the setting under which refusals outlive a restart.
const refusalsSetting = "refusals"

// refusals remembers the last refusals by the id that their pages show. They
// hold names and addresses of pages, and no query.
type refusals struct {
	mu   sync.Mutex
	list []Explanation // a ring once it is full
	next int
}

func (r *refusals) add(id string, e Explanation) {
	e.RequestID, e.Steps = id, fewSteps(e.Steps)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) < maxRefusals {
		r.list = append(r.list, e)
		return
	}
	r.list[r.next] = e
	r.next = (r.next + 1) % maxRefusals
}

// fewSteps leaves out what stands in the middle of many: in front is who it
// was, at the end what decided.
func fewSteps(all []policy.Step) []policy.Step {
	if len(all) <= maxSteps {
		return all
	}
	left := policy.Step{Kind: "left_out", Text: fmt.Sprintf("… %d steps are left out", len(all)-maxSteps)}
	return slices.Concat(all[:maxSteps/2], []policy.Step{left}, all[len(all)-maxSteps/2:])
}

// find is the refusal with an id; letter case does not count, for it is read
// out on the telephone.
func (r *refusals) find(id string) (Explanation, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := len(r.list) - 1; i >= 0; i-- {
		if e := r.list[(r.next+i)%len(r.list)]; lowerASCII(e.RequestID) == lowerASCII(id) {
			return e, true
		}
	}
	return Explanation{}, false
}

// newest lists the last n, the oldest of them first.
func (r *refusals) newest(n int) []Explanation {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := slices.Concat(r.list[r.next:], r.list[:r.next])
	return all[max(0, len(all)-n):]
}

// loadRefusals takes up what the program before remembered. What cannot be
// read is of no importance: the log has it too.
func (s *Server) loadRefusals() {
	text, err := s.cfg.Store.Setting(refusalsSetting)
	if err != nil || len(text) == 0 {
		return
	}
	if json.Unmarshal(text, &s.refusals.list) != nil || len(s.refusals.list) > maxRefusals {
		s.refusals.list = nil
	}
}

// Close writes down what should outlive a restart. The store must still be
// open.
func (s *Server) Close() {
	all := s.refusals.newest(keptRefusals)
	if len(all) == 0 {
		return
	}
	text, err := json.Marshal(all)
	if err == nil {
		err = s.cfg.Store.SetSetting(refusalsSetting, text)
	}
	if err != nil {
		s.log.Error("the last refusals could not be stored", "problem", err)
	}
}
