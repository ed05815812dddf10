package wire

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const someNode = "00112233445566778899aabbccddeeff"

func TestAdminRequestsHaveTheFieldsOfTheirOperationAndNoOthers(t *testing.T) {
	for _, c := range []struct {
		body string
		want *Error
	}{
		{`{"op":"status"}`, nil},
		{` {"op":"rebalance"} ` + "\n", nil},
		{`{"op":"drain","node":"` + someNode + `"}`, nil},
		{`{"op":"remove","node":"` + someNode + `","force":true}`, nil},
		{`{"op":"transfer","node":"` + someNode + `","partition":0}`, nil},
		{`{"op":"settings"}`, nil},
		{`{"op":"settings","key":"replicas","value":"5"}`, nil},
		{`{"op":"settings","key":"zone"}`, nil}, // an empty value is a value
		{`{"op":"users"}`, nil},
		{`{"op":"users","document":"[users.a]"}`, nil},
		{``, ErrAdminRequest},
		{`null`, ErrAdminOp},
		{`[]`, ErrAdminRequest},
		{`{"op":"status"}{}`, ErrAdminRequest},
		{`{"op":"status","unknown":1}`, ErrAdminRequest},
		{`{"op":"explode"}`, ErrAdminOp},
		{`{}`, ErrAdminOp},
		{`{"op":"status","node":"` + someNode + `"}`, ErrAdminExtra},
		{`{"op":"drain","node":"` + someNode + `","force":true}`, ErrAdminExtra},
		{`{"op":"drain","node":"` + someNode + `","partition":1}`, ErrAdminExtra},
		{`{"op":"drain"}`, ErrAdminNode},
		{`{"op":"drain","node":"0011"}`, ErrAdminNode},
		{`{"op":"drain","node":"` + strings.ToUpper(someNode) + `"}`, ErrAdminNode},
		{`{"op":"transfer","node":"` + someNode + `"}`, ErrAdminPartition},
		{`{"op":"transfer","node":"` + someNode + `","partition":-1}`, ErrAdminPartition},
		{`{"op":"transfer","node":"` + someNode + `","partition":16384}`, ErrAdminPartition},
		{`{"op":"settings","value":"x"}`, ErrAdminKey},
		{`{"op":"users","document":"` + strings.Repeat("x", MaxAdminRequest) + `"}`, ErrAdminTooLarge},
	} {
		var r AdminRequest
		err := r.Decode([]byte(c.body))
		if (c.want == nil) != (err == nil) || c.want != nil && err != error(c.want) {
			t.Errorf("%.80s: %v, want %v", c.body, err, c.want)
		}
	}
}

func TestAdminRequestsDecodeToWhatWasEncoded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := AdminRequest{Op: rapid.SampledFrom(AdminOps()).Draw(t, "op")}
		switch r.Op {
		case AdminDrain, AdminUndrain, AdminRemove, AdminTransfer:
			r.Node = rapid.StringMatching(`[0-9a-f]{32}`).Draw(t, "node")
		case AdminSettings:
			r.Key = rapid.StringN(1, 20, -1).Draw(t, "key")
			r.Value = rapid.String().Draw(t, "value")
		case AdminUsers:
			r.Document = rapid.String().Draw(t, "document")
		}
		switch r.Op {
		case AdminRemove:
			r.Force = rapid.Bool().Draw(t, "force")
		case AdminTransfer:
			p := rapid.IntRange(0, maxPartitions-1).Draw(t, "partition")
			r.Partition = &p
		}
		var back AdminRequest
		if err := back.Decode(r.Append(nil)); err != nil || !reflect.DeepEqual(r, back) {
			t.Fatalf("%+v became %+v: %v", r, back, err)
		}
	})
}

func TestAStatusSurvivesJSON(t *testing.T) {
	s := ClusterStatus{ClusterID: someNode, Node: someNode, Epoch: 7, Replicas: 3,
		Meta:       MetaStatus{Leader: someNode, Term: 2, Voters: []string{someNode}},
		Nodes:      []NodeStatus{{ID: someNode, Addr: "127.0.0.1:8342", State: NodeActive, Capacity: 1, Leads: 1, Replicas: 1}},
		Partitions: []PartitionStatus{{Leader: someNode, Term: 3, Replicas: []ReplicaStatus{{Node: someNode, ID: 1, Role: ReplicaVoter}}, Target: []string{someNode}}},
		Moves:      []MoveStatus{{Partition: 0, To: someNode, Step: MoveCatchingUp, Percent: 12.5, SecondsLeft: -1}},
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back ClusterStatus
	if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(s, back) {
		t.Fatalf("%+v became %+v: %v", s, back, err)
	}
}

func FuzzAdminRequest(f *testing.F) {
	f.Add([]byte(`{"op":"transfer","node":"` + someNode + `","partition":3}`))
	f.Add([]byte(`{"op":"users","document":"[users.a]\nrole = \"read\""}`))
	f.Add([]byte(`{"op":"settings","key":"replicas","value":"\u0033"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		within(t, noise+20*uint64(len(body)), func() {
			var r AdminRequest
			if r.Decode(body) != nil {
				return
			}
			var again AdminRequest
			if err := again.Decode(r.Append(nil)); err != nil || !reflect.DeepEqual(r, again) {
				t.Fatalf("%+v became %+v: %v", r, again, err)
			}
		})
	})
}
