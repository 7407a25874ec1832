"""A function in Python, standard library only. Gramine's gramine-ratls has written certificate and key before this starts:

    gramine-ratls /run/tls/cert.pem /run/tls/key.pem -- python3 server.py /run/tls/cert.pem /run/tls/key.pem
"""

import os
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hello(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # the proxy keeps its connections

    def do_GET(self):
        body = f"hello, you asked for {self.path}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def finish_request(self, request, client_address):
        # In the connection's own thread, so that a peer that does not finish its handshake holds up nobody.
        request.settimeout(10)
        try:
            request.do_handshake()
        except OSError:
            return
        request.settimeout(None)
        super().finish_request(request, client_address)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.minimum_version = ssl.TLSVersion.TLSv1_3
context.num_tickets = 0  # the proxy resumes no session
context.load_cert_chain(*sys.argv[1:3])

server = Server(("", int(os.environ.get("PORT", "8080"))), Hello)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
