package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"text/template"
	"time"
)

type Rev struct{ Name, Namespace, Service, Configuration, PodName, PodIP string }
type Resp struct {
	Code, Size int
	Latency    float64
}
type In struct {
	Request  *http.Request
	Response *Resp
	Revision *Rev
	TraceID  string
}
type Req struct {
	Raw  string `json:"raw"`
	Code int    `json:"code"`
	Size int    `json:"size"`
	Ns   int64  `json:"ns"`
}
type Case struct {
	Template string    `json:"template"`
	Refused  bool      `json:"refused,omitempty"`
	Outputs  []*string `json:"outputs,omitempty"`
}

func trace(h http.Header) string {
	if tp := h.Get("Traceparent"); tp != "" {
		if p := strings.Split(tp, "-"); len(p) >= 2 {
			return p[1]
		}
	}
	return h.Get("X-B3-Traceid")
}
func main() {
	var in struct {
		Requests  []Req    `json:"requests"`
		Templates []string `json:"templates"`
	}
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		panic(err)
	}
	out := []Case{}
	for _, t := range in.Templates {
		c := Case{Template: t}
		src := t
		if !strings.HasSuffix(src, "\n") {
			src += "\n"
		}
		tpl, err := template.New("requestLog").Parse(src)
		if err != nil {
			c.Refused = true
			fmt.Fprintln(os.Stderr, t, err)
		} else {
			for _, r := range in.Requests {
				raw := make([]byte, 0)
				for _, ch := range r.Raw {
					raw = append(raw, byte(ch))
				}
				req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
				if err != nil {
					panic(err)
				}
				req.RemoteAddr = "192.0.2.1:4711"
				var b bytes.Buffer
				err = tpl.Execute(&b, &In{req, &Resp{r.Code, r.Size, time.Duration(r.Ns).Seconds()}, &Rev{"cart-00001", "shop", "cart", "cart-config", "cart-00001-x", "10.0.0.1"}, trace(req.Header)})
				if err != nil {
					c.Outputs = append(c.Outputs, nil)
				} else {
					s := base64.StdEncoding.EncodeToString(b.Bytes())
					c.Outputs = append(c.Outputs, &s)
				}
			}
		}
		out = append(out, c)
	}
	e := json.NewEncoder(os.Stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	e.Encode(map[string]any{"requests": in.Requests, "cases": out})
}
