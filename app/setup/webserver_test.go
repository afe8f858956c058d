package setup

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestWebServersUnderstand: nginx and Caddy take the lines that are printed for them.
func TestWebServersUnderstand(t *testing.T) {
	t.Parallel()
	names := []string{"mail.example.com", "mta-sts.example.com", "autoconfig.example.com", "autodiscover.example.com"}
	const plain, secure = "127.0.0.1:8080", "127.0.0.1:8443"
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	run := func(name string, args ...string) {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Logf("%s is not installed; its lines are not tried", name)
			return
		}
		cmd := exec.CommandContext(t.Context(), path, args...)
		cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_DATA_HOME="+dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	run("caddy", "validate", "--adapter", "caddyfile", "--config", write("Caddyfile", "{\n    admin off\n}\n"+caddy(names, plain, secure)))
	http, stream, ok := strings.Cut(nginx(names, plain, secure), "# beside http")
	if !ok {
		t.Fatal("the lines for nginx have no part beside http")
	}
	_, stream, _ = strings.Cut(stream, "stream {")
	modules := "/usr/lib/nginx/modules/ngx_stream_module.so"
	if _, err := os.Stat(modules); err != nil {
		t.Log("nginx has no stream module here; its lines are not tried")
		return
	}
	// Ports of this machine may be taken: the syntax is what is tried.
	conf := strings.NewReplacer("listen 80;", "listen 127.0.0.1:18080;", "listen [::]:80;", "", "listen 443;", "listen 127.0.0.1:18443;", "listen [::]:443;", "").Replace(
		"load_module " + modules + ";\npid " + dir + "/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n" + http + "}\nstream {" + stream)
	run("nginx", "-t", "-p", dir, "-c", write("nginx.conf", conf))
}
