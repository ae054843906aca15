package page

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// browser finds a browser that runs without a screen, or skips the test; with
// MILEPOST_TEST_BROWSER set there must be one, as where every change is tested.
func browser(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("-short leaves out the browser, which takes seconds; make test starts it where there is one")
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("MILEPOST_TEST_BROWSER") != "" {
		t.Fatal("no Chromium, and MILEPOST_TEST_BROWSER is set")
	}
	t.Skip("no Chromium on this machine: install one to see the page laid out")
	return ""
}

// run starts the browser for one page, apart from any other that runs.
func run(t *testing.T, path string, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--user-data-dir=" + t.TempDir()}, args...)...)
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.Output()
	if ctx.Err() != nil {
		t.Fatal("the browser does not come to an end")
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return out
}

// On a phone nothing stands beside the screen, nothing is fetched, and
// nothing that a record says is run. The frame around the page measures it:
// the page itself may run no script.
func TestThePageInABrowser(t *testing.T) {
	t.Parallel()
	path := browser(t)
	pages := map[string]string{"/good": write(t, wholeStory(t)), "/broken": write(t, brokenStory(t))}
	asked := make(chan string, 1000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if p, ok := pages[r.URL.Path]; ok {
			fmt.Fprint(w, p)
			return
		}
		if r.URL.Path != "/" {
			if r.URL.Path != "/favicon.ico" {
				asked <- r.URL.Path
			}
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, `<!DOCTYPE html><title>frame</title><iframe style="border:0" width="390" height="800" src="/good"></iframe><iframe style="border:0" width="320" height="800" src="/broken"></iframe>
<pre></pre><script>onload=()=>{for(const f of document.querySelectorAll("iframe")){const d=f.contentDocument,e=d.documentElement;
document.querySelector("pre").textContent+="[width "+e.scrollWidth+" of "+f.width+", height "+e.scrollHeight+", loaded "+f.contentWindow.performance.getEntriesByType("resource").length+"]"}}</script>`)
	}))
	defer server.Close()
	out := run(t, path, "--virtual-time-budget=10000", "--dump-dom", server.URL+"/")
	found := regexp.MustCompile(`\[width (\d+) of (\d+), height (\d+), loaded (\d+)\]`).FindAllSubmatch(out, -1)
	if len(found) != 2 {
		t.Fatalf("the browser measured nothing: %.2000s", out)
	}
	for _, m := range found {
		var width, of, height, loaded int
		fmt.Sscan(string(m[1]), &width)
		fmt.Sscan(string(m[2]), &of)
		fmt.Sscan(string(m[3]), &height)
		fmt.Sscan(string(m[4]), &loaded)
		if width > of || height < 800 || loaded > 0 {
			t.Errorf("the page is %d wide on a screen of %d, %d high, and loads %d things", width, of, height, loaded)
		}
	}
	select {
	case p := <-asked:
		t.Errorf("the page fetches %s", p)
	default:
	}
}

func TestThePageOnPaper(t *testing.T) {
	t.Parallel()
	path := browser(t)
	dir := t.TempDir()
	html, pdf := filepath.Join(dir, "page.html"), filepath.Join(dir, "page.pdf")
	if err := os.WriteFile(html, []byte(write(t, wholeStory(t))), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, path, "--no-pdf-header-footer", "--print-to-pdf="+pdf, "file://"+html)
	data, err := os.ReadFile(pdf)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(regexp.MustCompile(`/Type\s*/Page\b`).FindAll(data, -1)); !bytes.HasPrefix(data, []byte("%PDF-")) || n < 4 || n > 60 {
		t.Errorf("%d pages of paper", n)
	}
}
