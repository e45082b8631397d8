// Package envoy_test reads the Envoy recipe with Envoy's own types: an unknown or misspelt field, a value of another
// kind, or one that Envoy's rules for it refuse fails. It is a module of its own, so that none of this enters Usher's.
package envoy_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	bootstrap "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	authz "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	mutation "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	matcher "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"
	"google.golang.org/protobuf/types/known/anypb"
	"sigs.k8s.io/yaml"
)

func TestRecipe(t *testing.T) {
	m := manager(t, load(t, "../../envoy/envoy.yaml"))
	if !m.GetUseRemoteAddress().GetValue() || m.XffNumTrustedHops != 0 {
		t.Error("a client's X-Forwarded-… are believed")
	}
	if got := m.GetCommonHttpProtocolOptions().GetHeadersWithUnderscoresAction(); got != core.HttpProtocolOptions_DROP_HEADER {
		t.Errorf("headers with underscores: %v", got)
	}
	var names []string
	for _, f := range m.HttpFilters {
		names = append(names, f.Name)
	}
	if want := []string{"usher-clean", "usher", "envoy.filters.http.router"}; !slices.Equal(names, want) {
		t.Fatalf("filters %q, want %q", names, want)
	}
	removed(t, m.HttpFilters[0])
	asks(t, m.HttpFilters[1], "/auth/envoy")
	for _, host := range m.GetRouteConfig().VirtualHosts {
		for _, r := range host.Routes {
			protected(t, host, r)
		}
	}
}

// removed: every identity header is taken away before a check, also with dots for dashes; those with underscores
// are dropped by the listener. X-Forwarded-For is the client's address alone, not what it sent with that appended.
func removed(t *testing.T, f *hcm.HttpFilter) {
	var m mutation.HeaderMutation
	into(t, f.GetTypedConfig(), &m)
	var gone []string
	alone := false
	for _, r := range m.GetMutations().GetRequestMutations() {
		gone = append(gone, r.GetRemove())
		set := r.GetAppend()
		alone = alone || set.GetAppendAction() == core.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD &&
			set.GetHeader().GetKey() == "x-forwarded-for" && set.GetHeader().GetValue() == "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"
	}
	if !alone {
		t.Error("a client's x-forwarded-for may pass")
	}
	for _, name := range []string{"x-original-url", "x-rewrite-url"} {
		if !slices.Contains(gone, name) {
			t.Errorf("a client's %s may pass", name)
		}
	}
	for _, name := range []string{"remote-user", "remote-name", "remote-email", "remote-groups", "remote-id"} {
		if !slices.Contains(gone, name) || !slices.Contains(gone, strings.ReplaceAll(name, "-", ".")) {
			t.Errorf("a client's %s may pass", name)
		}
	}
}

func asks(t *testing.T, f *hcm.HttpFilter, prefix string) {
	var a authz.ExtAuthz
	into(t, f.GetTypedConfig(), &a)
	if got := a.GetHttpService().GetPathPrefix(); got != prefix || f.Disabled {
		t.Errorf("%s asks %q, off is %v", f.Name, got, f.Disabled)
	}
	if a.FailureModeAllow || a.GetStatusOnError().GetCode() < 400 {
		t.Errorf("%s lets pass what could not be asked about", f.Name)
	}
	for _, name := range []string{"cookie", "authorization", "x-usher-key"} {
		if !names(a.GetAllowedHeaders(), name) {
			t.Errorf("%s: Usher is not told %s", f.Name, name)
		}
	}
	if a.GetHttpService().GetAuthorizationResponse().GetAllowedClientHeaders() != nil {
		t.Errorf("%s: refusals lose the headers that their pages need", f.Name)
	}
}

// names reports whether a header is in a list by its whole name.
func names(list *matcher.ListStringMatcher, name string) bool {
	return slices.ContainsFunc(list.GetPatterns(), func(m *matcher.StringMatcher) bool { return m.GetExact() == name })
}

// protected: a route leads to Usher, or is asked about.
func protected(t *testing.T, host *route.VirtualHost, r *route.Route) {
	off := func(config map[string]*anypb.Any) bool {
		if config["usher"] == nil {
			return false
		}
		var p authz.ExtAuthzPerRoute
		into(t, config["usher"], &p)
		return p.GetDisabled()
	}
	open := off(host.TypedPerFilterConfig) || off(r.TypedPerFilterConfig)
	switch cluster := r.GetRoute().GetCluster(); {
	case r.GetDirectResponse().GetStatus() == 404:
	case cluster == "usher" && !open:
		t.Errorf("%s: the sign-in pages are behind a check", host.Name)
	case cluster != "usher" && open:
		t.Errorf("%s: %v is open", host.Name, r.Match)
	}
}

func manager(t *testing.T, b *bootstrap.Bootstrap) *hcm.HttpConnectionManager {
	t.Helper()
	var m hcm.HttpConnectionManager
	into(t, b.GetStaticResources().GetListeners()[0].FilterChains[0].Filters[0].GetTypedConfig(), &m)
	return &m
}

// load decodes the file strictly and asks every message in it, also those inside of typed_config, whether it keeps
// the rules of its definition.
func load(t *testing.T, path string) *bootstrap.Bootstrap {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	json, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		t.Fatal(err)
	}
	b := new(bootstrap.Bootstrap)
	if err := protojson.Unmarshal(json, b); err != nil {
		t.Fatal(err)
	}
	validate(t, b)
	return b
}

func validate(t *testing.T, m proto.Message) {
	t.Helper()
	if v, ok := m.(interface{ ValidateAll() error }); ok {
		if err := v.ValidateAll(); err != nil {
			t.Error(err)
		}
	}
	err := protorange.Range(m.ProtoReflect(), func(p protopath.Values) error {
		v := p.Index(-1).Value
		if message, ok := v.Interface().(interface{ Interface() proto.Message }); ok {
			if a, ok := message.Interface().(*anypb.Any); ok && a.TypeUrl != "" {
				inside, err := a.UnmarshalNew()
				if err != nil {
					return err
				}
				validate(t, inside)
				return protorange.Break
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func into(t *testing.T, a *anypb.Any, m proto.Message) {
	t.Helper()
	if err := a.UnmarshalTo(m); err != nil {
		t.Fatal(err)
	}
}
