package admin_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/admin"
	"github.com/postrider/postrider/mail"
)

// TestGroup: members come and go one by one, and each is looked at.
func TestGroup(t *testing.T) {
	t.Parallel()
	w, op := people(t)
	ctx := t.Context()
	if _, err := op.AddAlias(ctx, admin.NewAlias{Address: "ring@example.test", Targets: []string{"all@example.test"}}); err != nil {
		t.Fatal(err)
	}
	made := w.aliases["all@example.test"].Created
	w.now = w.now.AddDate(0, 0, 1)
	a, err := op.UpdateAlias(ctx, admin.AliasUpdate{Address: "All@example.test", Add: []string{"Me@Far.test", "ring@example.test", "ghost@example.test", "ANN@example.test"},
		Remove: []string{"bob@example.test", "nobody@else.test"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"ann@example.test", "Me@far.test", "ring@example.test", "ghost@example.test"}; !slices.Equal(a.Targets, want) {
		t.Errorf("targets %v, want %v", a.Targets, want)
	}
	kinds := map[string]string{}
	for _, m := range a.Members {
		kinds[m.Address] = m.Kind
	}
	if diff := cmp.Diff(map[string]string{"ann@example.test": admin.MemberAccount, "Me@far.test": admin.MemberOutside, "ring@example.test": admin.MemberAlias, "ghost@example.test": admin.MemberMissing}, kinds); diff != "" {
		t.Error(diff)
	}
	all := strings.Join(a.Warnings, "\n")
	for _, words := range []string{"SPF fails there", "DKIM signature", "ring@example.test leads back to all@example.test", "nobody has the address ghost@example.test yet"} {
		if !strings.Contains(all, words) {
			t.Errorf("no warning says %q: %s", words, all)
		}
	}
	if got := w.aliases["all@example.test"].Created; !got.Equal(made) {
		t.Errorf("a change made it young: %v", got)
	}
	shown, err := op.Alias(ctx, admin.AliasName{Address: "all@example.test"})
	if diff := cmp.Diff(a, shown); diff != "" || err != nil {
		t.Errorf("%v, %s", err, diff)
	}
	before := len(w.commits)
	if _, err := op.UpdateAlias(ctx, admin.AliasUpdate{Address: "all@example.test", Add: []string{"ann@example.test"}}); err != nil || len(w.commits) != before {
		t.Errorf("what is there already is no change: %v", err)
	}
	_, err = op.UpdateAlias(ctx, admin.AliasUpdate{Address: "all@example.test", Remove: a.Targets})
	refused(t, err, mail.Invalid, "postrider alias remove all@example.test")
	_, err = op.UpdateAlias(ctx, admin.AliasUpdate{Address: "all@example.test"})
	refused(t, err, mail.Invalid, "nothing says which targets")
	_, err = op.UpdateAlias(ctx, admin.AliasUpdate{Address: "all@example.test", Add: []string{"all@example.test"}})
	refused(t, err, mail.Invalid, "cannot lead to itself")
	_, err = op.UpdateAlias(ctx, admin.AliasUpdate{Address: "all@example.test", Add: []string{"no address"}})
	refused(t, err, mail.Invalid, "not an address")
	_, err = op.UpdateAlias(ctx, admin.AliasUpdate{Address: "ann@example.test", Add: []string{"bob@example.test"}})
	refused(t, err, mail.NotFound, "is an account, not an alias")
	_, err = op.Alias(ctx, admin.AliasName{Address: "x@example.test"})
	refused(t, err, mail.NotFound, "there is no alias")
}

func TestCheckAlias(t *testing.T) {
	t.Parallel()
	w, op := people(t)
	ctx := t.Context()
	before := len(w.commits)
	a, err := op.CheckAlias(ctx, admin.NewAlias{Address: "New@example.test", Targets: []string{"ann@example.test", "x@far.test"}})
	if err != nil || len(a.Members) != 2 || a.Members[0].Name != "" || len(a.Warnings) != 1 {
		t.Errorf("%+v, %v", a, err)
	}
	_, err = op.CheckAlias(ctx, admin.NewAlias{Address: "ann@example.test", Targets: []string{"bob@example.test"}})
	refused(t, err, mail.Exists, "is an account")
	_, err = op.CheckAlias(ctx, admin.NewAlias{Address: "x@other.test", Targets: []string{"bob@example.test"}})
	refused(t, err, mail.NotFound, "postrider domain add other.test")
	var many []string
	for i := range 100 {
		many = append(many, fmt.Sprintf("a%d@far.test", i))
	}
	if a, err = op.CheckAlias(ctx, admin.NewAlias{Address: "x@example.test", Targets: many}); err != nil || len(a.Warnings) != 21 || len(a.Members) != 100 {
		t.Errorf("%d warnings for %d members, %v", len(a.Warnings), len(a.Members), err)
	}
	if len(w.commits) != before || len(w.audited) != 4-1 {
		t.Errorf("a check changed something, or was recorded: %v", w.audited)
	}
}
