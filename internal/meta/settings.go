package meta

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Pause stops all moves that have not begun, except away from nodes removed by force.
type Pause struct{}

// Type is "pause".
func (c *Pause) Type() string { return "pause" }

func (c *Pause) apply(s *State) (bool, Result) {
	changed := !s.Paused
	s.Paused = true
	return changed, Result{}
}

// Resume ends Pause.
type Resume struct{}

// Type is "resume".
func (c *Resume) Type() string { return "resume" }

func (c *Resume) apply(s *State) (bool, Result) {
	changed := s.Paused
	s.Paused = false
	return changed, Result{}
}

// SetSetting sets a setting of the whole cluster; an empty value removes it. Whether key and value mean anything is for
// who proposes it to check.
type SetSetting struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Type is "set-setting".
func (c *SetSetting) Type() string { return "set-setting" }

func (c *SetSetting) apply(s *State) (bool, Result) {
	if c.Key == "" || !validText(c.Key, maxSettingKey) {
		return false, refuse(Invalid, "the name %.32q of a setting is not text of 1 to %d bytes", c.Key, maxSettingKey)
	}
	if len(c.Value) > maxSettingValue || !utf8.ValidString(c.Value) {
		return false, refuse(Invalid, "the value of %s is not text of at most %d bytes", c.Key, maxSettingValue)
	}
	at, found := slices.BinarySearchFunc(s.Settings, c.Key, func(have Setting, key string) int { return strings.Compare(have.Key, key) })
	settings := slices.Clone(s.Settings)
	switch {
	case c.Value == "" && !found, found && settings[at].Value == c.Value:
		return false, Result{}
	case c.Value == "":
		settings = slices.Delete(settings, at, at+1)
	case found:
		settings[at].Value = c.Value
	case len(settings) >= maxSettings:
		return false, refuse(LimitReached, "there are %d settings, the most there can be", len(settings))
	default:
		settings = slices.Insert(settings, at, Setting(*c))
	}
	s.Settings = settings
	return true, Result{}
}

// Setting returns the value of a setting, "" when it is not set.
func (s *State) Setting(key string) string {
	for _, set := range s.Settings {
		if set.Key == key {
			return set.Value
		}
	}
	return ""
}

// SetUsers replaces the users of the whole cluster by those of a users file; "" removes them. Whether the text is one is
// for who proposes it to check.
type SetUsers struct {
	Document string `json:"document"`
}

// Type is "set-users".
func (c *SetUsers) Type() string { return "set-users" }

func (c *SetUsers) apply(s *State) (bool, Result) {
	if len(c.Document) > maxUsersBytes || !utf8.ValidString(c.Document) {
		return false, refuse(Invalid, "the users are not text of at most %d bytes", maxUsersBytes)
	}
	changed := s.UsersDoc != c.Document
	s.UsersDoc = c.Document
	return changed, Result{}
}

// SetReplicas sets how many replicas each partition should have.
type SetReplicas struct {
	Replicas int `json:"replicas"`
}

// Type is "set-replicas".
func (c *SetReplicas) Type() string { return "set-replicas" }

func (c *SetReplicas) apply(s *State) (bool, Result) {
	if c.Replicas < 1 || c.Replicas > MaxReplicas {
		return false, refuse(Invalid, "%d replicas: a partition has 1 to %d", c.Replicas, MaxReplicas)
	}
	changed := s.Replicas != c.Replicas
	s.Replicas = c.Replicas
	return changed, Result{}
}

// RequestRebalance asks the controller to look again now, and every leader of a group to hand leadership to its preferred
// replica. Nothing else is needed for balance: the controller strives for it by itself.
type RequestRebalance struct{}

// Type is "request-rebalance".
func (c *RequestRebalance) Type() string { return "request-rebalance" }

func (c *RequestRebalance) apply(s *State) (bool, Result) {
	s.RebalanceMs = max(s.StampMs, 1)
	return true, Result{}
}
