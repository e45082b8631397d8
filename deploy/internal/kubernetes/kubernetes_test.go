// Package kubernetes_test reads the Kubernetes recipe strictly: an unknown, misspelt or doubled field, or a value of
// another kind, fails. Kubernetes' own resources are decoded into its types, Traefik's and the Gateway API's are
// checked against the definitions (CRDs) that those projects publish. It is a module of its own, so that none of this
// enters Usher's.
package kubernetes_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	crd "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"
)

// Where the definitions are published; these modules are read, never built.
const (
	traefik = "github.com/traefik/traefik/v3@v3.7.12"
	gateway = "sigs.k8s.io/gateway-api@v1.6.1"
)

// replaced is what a controller takes away from a client's request and sets as Usher's answer has it, or not at all.
var replaced = []string{"Remote-User", "Remote-Name", "Remote-Email", "Remote-Groups", "Remote-Id", "Authorization", "X-Usher-Key", "X-Original-Url", "X-Rewrite-Url"}

func TestUsher(t *testing.T) {
	var config core.ConfigMap
	var claim core.PersistentVolumeClaim
	var deployment apps.Deployment
	var service core.Service
	docs := documents(t, "usher.yaml")
	if len(docs) != 4 {
		t.Fatalf("%d documents, want 4", len(docs))
	}
	for i, into := range []any{&config, &claim, &deployment, &service} {
		if err := yaml.UnmarshalStrict(docs[i], into); err != nil {
			t.Fatal(err)
		}
	}
	pod := deployment.Spec.Template.Spec
	if pod.EnableServiceLinks == nil || *pod.EnableServiceLinks {
		t.Error("Kubernetes adds USHER_PORT and others, with which Usher does not start")
	}
	if s := pod.SecurityContext; !*s.RunAsNonRoot || *s.RunAsUser != 65532 || s.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault || *pod.AutomountServiceAccountToken {
		t.Errorf("the pod may more than it needs: %+v", s)
	}
	c := pod.Containers[0]
	if s := c.SecurityContext; !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation || !slices.Equal(s.Capabilities.Drop, []core.Capability{"ALL"}) {
		t.Errorf("the container may more than it needs: %+v", s)
	}
	if c.ReadinessProbe.HTTPGet.Path != "/readyz" || c.LivenessProbe.HTTPGet.Path != "/healthz" || c.Ports[0].Name != c.LivenessProbe.HTTPGet.Port.StrVal {
		t.Errorf("probes %+v, %+v", c.ReadinessProbe, c.LivenessProbe)
	}
	// The paths of the files lead into the volume that is mounted.
	for name, value := range config.Data {
		if strings.HasSuffix(name, "_FILE") && filepath.Dir(value) != c.VolumeMounts[1].MountPath {
			t.Errorf("%s is %s, and the secret is at %s", name, value, c.VolumeMounts[1].MountPath)
		}
		if name == "USHER_PLEX_TOKEN" || name == "USHER_SECRET" {
			t.Errorf("%s stands in a ConfigMap", name)
		}
	}
	if *deployment.Spec.Replicas != 1 || deployment.Spec.Strategy.Type != apps.RecreateDeploymentStrategyType {
		t.Error("two processes could write one file")
	}
	for name, value := range service.Spec.Selector {
		if deployment.Spec.Template.Labels[name] != value || deployment.Spec.Selector.MatchLabels[name] != value {
			t.Errorf("the Service looks for %s=%s", name, value)
		}
	}
	if pod.Volumes[0].PersistentVolumeClaim.ClaimName != claim.Name || c.EnvFrom[0].ConfigMapRef.Name != config.Name {
		t.Error("a name leads nowhere")
	}
}

func TestIngress(t *testing.T) {
	policies := map[string]string{"app": "", "owner": "/owner"}
	for _, doc := range documents(t, "ingress-nginx.yaml") {
		var i networking.Ingress
		if err := yaml.UnmarshalStrict(doc, &i); err != nil {
			t.Fatal(err)
		}
		const prefix = "nginx.ingress.kubernetes.io/"
		for name := range i.Annotations {
			if strings.Contains(name, "snippet") {
				t.Errorf("%s: %s is off by default", i.Name, name)
			}
		}
		policy, protected := policies[i.Name]
		url := i.Annotations[prefix+"auth-url"]
		if protected != (url != "") || protected && url != "http://usher.default.svc.cluster.local:4181/auth/nginx"+policy {
			t.Errorf("%s asks %q", i.Name, url)
		}
		if got := i.Annotations[prefix+"auth-response-headers"]; protected && got != strings.Join(replaced, ",") {
			t.Errorf("%s: auth-response-headers %q", i.Name, got)
		}
		if i.Name == "usher-checks" {
			if i.Annotations[prefix+"whitelist-source-range"] != "127.0.0.1/32" {
				t.Errorf("%s lets clients ask", i.Name)
			}
			continue
		}
		if backend := i.Spec.Rules[0].HTTP.Paths[0].Backend.Service.Name; protected == (backend == "usher") {
			t.Errorf("%s leads to %s", i.Name, backend)
		}
		delete(policies, i.Name)
	}
	if len(policies) != 0 {
		t.Errorf("no Ingress for %v", policies)
	}
}

// custom is what the recipe uses of Traefik's and the Gateway API's resources.
type custom struct {
	Kind     string
	Metadata struct{ Name string }
	Spec     struct {
		ForwardAuth *struct {
			Address             string
			TrustForwardHeader  bool
			MaxResponseBodySize int64
			AuthResponseHeaders []string
		}
		Routes []struct {
			Match       string
			Middlewares []struct{ Name string }
			Services    []struct{ Name string }
		}
		Rules []struct {
			Filters     []struct{ ExtensionRef struct{ Name string } }
			BackendRefs []struct{ Name string }
		}
	}
}

func TestTraefik(t *testing.T) {
	defined := definitions(t, traefik, "docs/content/reference/dynamic-configuration/kubernetes-crd-definition-v1.yml")
	middlewares := map[string]bool{}
	for _, doc := range documents(t, "traefik.yaml") {
		c := defined.check(t, doc)
		if f := c.Spec.ForwardAuth; f != nil {
			address := "http://usher.default.svc.cluster.local:4181/auth/traefik" + map[string]string{"usher-owner": "/owner"}[c.Metadata.Name]
			if f.Address != address || !f.TrustForwardHeader || f.MaxResponseBodySize != 65536 || !slices.Equal(f.AuthResponseHeaders, replaced) {
				t.Errorf("%s: %+v", c.Metadata.Name, f)
			}
		}
		if c.Kind == "Middleware" {
			middlewares[c.Metadata.Name] = true
		}
		for _, r := range c.Spec.Routes {
			protected := len(r.Middlewares) == 1 && middlewares[r.Middlewares[0].Name]
			if protected == (r.Services[0].Name == "usher") {
				t.Errorf("%s, %s: protected is %v", c.Metadata.Name, r.Match, protected)
			}
		}
	}
}

func TestGateway(t *testing.T) {
	defined := definitions(t, gateway, "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml")
	for _, doc := range documents(t, "gateway.yaml") {
		c := defined.check(t, doc)
		for _, r := range c.Spec.Rules {
			if len(r.BackendRefs) == 0 {
				continue
			}
			protected := len(r.Filters) == 1 && strings.HasPrefix(r.Filters[0].ExtensionRef.Name, "usher")
			if protected == (r.BackendRefs[0].Name == "usher") {
				t.Errorf("%s: protected is %v", c.Metadata.Name, protected)
			}
		}
	}
}

func TestKustomization(t *testing.T) {
	var k struct {
		APIVersion string   `json:"apiVersion"`
		Kind       string   `json:"kind"`
		Resources  []string `json:"resources"`
	}
	if err := yaml.UnmarshalStrict(documents(t, "kustomization.yaml")[0], &k); err != nil {
		t.Fatal(err)
	}
	if k.APIVersion != "kustomize.config.k8s.io/v1beta1" || k.Kind != "Kustomization" || !slices.Equal(k.Resources, []string{"usher.yaml"}) {
		t.Errorf("%+v", k)
	}
}

// defs are schemas by apiVersion and kind.
type defs map[string]*crd.CustomResourceValidation

func definitions(t *testing.T, module, path string) defs {
	t.Helper()
	cmd := exec.Command("go", "mod", "download", "-json", module)
	cmd.Dir = t.TempDir() // outside of this module, whose go.mod it would be asked of
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", module, err, out)
	}
	var at struct{ Dir string }
	if err := json.Unmarshal(out, &at); err != nil {
		t.Fatal(err)
	}
	d := make(defs)
	for _, doc := range split(t, filepath.Join(at.Dir, path)) {
		var def crd.CustomResourceDefinition
		if err := yaml.Unmarshal(doc, &def); err != nil {
			t.Fatal(err)
		}
		for _, v := range def.Spec.Versions {
			d[def.Spec.Group+"/"+v.Name+" "+def.Spec.Names.Kind] = v.Schema
		}
	}
	return d
}

// check does what the API server does: unknown fields are found as "pruning" would drop them, then the values are
// held against the schema.
func (d defs) check(t *testing.T, doc []byte) (c custom) {
	t.Helper()
	text, err := yaml.YAMLToJSONStrict(doc)
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(text, &object); err != nil {
		t.Fatal(err)
	}
	name := object["apiVersion"].(string) + " " + object["kind"].(string)
	def := d[name]
	if def == nil {
		t.Fatalf("no definition of %s", name)
	}
	var internal apiextensions.CustomResourceValidation
	if err := crd.Convert_v1_CustomResourceValidation_To_apiextensions_CustomResourceValidation(def, &internal, nil); err != nil {
		t.Fatal(err)
	}
	structural, err := schema.NewStructural(internal.OpenAPIV3Schema)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range pruning.PruneWithOptions(object, structural, true, schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}) {
		t.Errorf("%s: unknown field %s", name, path)
	}
	validator, _, err := validation.NewSchemaValidator(internal.OpenAPIV3Schema)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range validation.ValidateCustomResource(field.NewPath(name), object, validator) {
		t.Error(err)
	}
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func documents(t *testing.T, name string) [][]byte {
	t.Helper()
	return split(t, filepath.Join("..", "..", "kubernetes", name))
}

func split(t *testing.T, path string) (docs [][]byte) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for doc := range bytes.SplitSeq(text, []byte("\n---\n")) {
		if len(bytes.TrimSpace(doc)) > 0 {
			docs = append(docs, doc)
		}
	}
	return docs
}
