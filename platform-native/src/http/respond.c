/*
 * Answers to HTTP requests: files, the token, and errors. Every answer carries the same protective
 * headers.
 */
#include "http/server.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TIMEOUT_S 20

/*
 * Scripts of the site only, and WebAssembly, which needs a word of its own; no inline script, no
 * frames from elsewhere. `ws:` and `wss:` stand beside 'self' for browsers that do not count
 * WebSockets to the same origin.
 */
static const char content_policy[] =
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' ws: wss:; "
    "img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'";

/* Headers under construction. `ok` turns false when they do not fit. */
typedef struct headers {
    struct lws *wsi;
    unsigned char buffer[LWS_PRE + 2048];
    unsigned char *at;
    unsigned char *end;
    bool ok;
} headers;

static void begin(headers *out, struct lws *wsi, unsigned status) {
    out->wsi = wsi;
    out->at = out->buffer + LWS_PRE;
    out->end = out->buffer + sizeof out->buffer - 1;
    out->ok = lws_add_http_header_status(wsi, status | LWSAHH_FLAG_NO_SERVER_NAME, &out->at,
                                         out->end) == 0;
}

static void add(headers *out, const char *name, const char *value) {
    if (out->ok) {
        out->ok = lws_add_http_header_by_name(out->wsi, (const unsigned char *)name,
                                              (const unsigned char *)value, (int)strlen(value),
                                              &out->at, out->end) == 0;
    }
}

static void add_protection(headers *out) {
    add(out, "x-content-type-options:", "nosniff");
    add(out, "cross-origin-resource-policy:", "same-origin");
    add(out, "referrer-policy:", "no-referrer");
    add(out, "content-security-policy:", content_policy);
    if (trpi_http_server_of(out->wsi)->options.isolate) {
        add(out, "cross-origin-opener-policy:", "same-origin");
        add(out, "cross-origin-embedder-policy:", "require-corp");
    }
}

/* Writes the headers. False if they did not fit or the connection is broken. */
static bool finish(headers *out, uint64_t content_length) {
    char digits[24];
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)content_length);
    add(out, "content-length:", digits);
    return out->ok &&
           lws_finalize_write_http_header(out->wsi, out->buffer + LWS_PRE, &out->at, out->end) == 0;
}

/* The end of a request: ready for the next one on this connection, or -1 to close it. */
static int complete(struct lws *wsi) {
    return lws_http_transaction_completed(wsi) != 0 ? -1 : 0;
}

static bool is_head(struct lws *wsi) {
    return lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) > 0;
}

/* Answers with a short text that is written at once. */
static int answer_text(struct lws *wsi, headers *out, const char *type, const char *text) {
    size_t length = strlen(text);
    add(out, "content-type:", type);
    add_protection(out);
    if (!finish(out, length)) {
        return -1;
    }
    if (length > 0 && !is_head(wsi)) {
        unsigned char *piece = trpi_http_server_of(wsi)->piece + LWS_PRE;
        memcpy(piece, text, length);
        if (lws_write(wsi, piece, length, LWS_WRITE_HTTP_FINAL) != (int)length) {
            return -1;
        }
    }
    return complete(wsi);
}

int trpi_http_answer_status(struct lws *wsi, unsigned status, const char *text) {
    headers out;
    char line[160];
    snprintf(line, sizeof line, "%s\n", text);
    begin(&out, wsi, status);
    add(&out, "cache-control:", "no-store");
    if (status == HTTP_STATUS_METHOD_NOT_ALLOWED) {
        add(&out, "allow:", "GET, HEAD");
    }
    /*
     * Who sends bad requests is not worth keeping a connection for; a missing file is no bad
     * request.
     */
    bool keeps = status == HTTP_STATUS_NOT_FOUND;
    if (!keeps) {
        add(&out, "connection:", "close");
    }
    int result = answer_text(wsi, &out, "text/plain; charset=utf-8", line);
    return keeps ? result : -1;
}

bool trpi_http_check_host(struct lws *wsi, char own[TRPI_ORIGIN_MAX], unsigned *status,
                          const char **text) {
    char host[TRPI_ORIGIN_MAX];
    if (lws_hdr_copy(wsi, host, sizeof host, WSI_TOKEN_HOST) <= 0) {
        *status = HTTP_STATUS_BAD_REQUEST;
        *text = "A request needs a Host header.";
        return false;
    }
    if (!trpi_origin_of_host(&trpi_http_server_of(wsi)->origins, host, own)) {
        *status = 421;
        *text = "This server does not answer for that host; name it with --origin.";
        return false;
    }
    return true;
}

/* A page of another origin could not read the answer anyway; it does not get one either. */
static bool is_same_origin(struct lws *wsi, const char *own) {
    char value[TRPI_ORIGIN_MAX];
    int length = lws_hdr_copy(wsi, value, sizeof value, WSI_TOKEN_ORIGIN);
    if (length < 0 || (length > 0 && strcmp(value, own) != 0)) {
        return false;
    }
    length = lws_hdr_custom_copy(wsi, value, sizeof value, "sec-fetch-site:", 15);
    return length <= 0 || strcmp(value, "same-origin") == 0 || strcmp(value, "none") == 0;
}

static int answer_token(struct lws *wsi, const char *own) {
    trp_http_server *server = trpi_http_server_of(wsi);
    char token[TRPI_TOKEN_LENGTH + 1];
    char json[TRPI_TOKEN_LENGTH + 256];
    if (!is_same_origin(wsi, own)) {
        return trpi_http_answer_status(wsi, HTTP_STATUS_FORBIDDEN,
                                       "For pages of this server only.");
    }
    uint32_t life_s = server->options.token_s;
    uint64_t expires_s = uv_hrtime() / TRP_NS_PER_S + life_s;
    if (trpi_token_make(&server->token_key, own, expires_s, token) != TRP_OK) {
        return trpi_http_answer_status(wsi, HTTP_STATUS_INTERNAL_SERVER_ERROR, "No token.");
    }
    snprintf(json, sizeof json, "{\"token\":\"%s\",\"node\":\"%s\",\"expires_in\":%u}", token,
             server->node, life_s);
    headers out;
    begin(&out, wsi, HTTP_STATUS_OK);
    add(&out, "cache-control:", "no-store");
    return answer_text(wsi, &out, "application/json", json);
}

/* True if the client has this version already. */
static bool is_fresh(struct lws *wsi, const char *etag) {
    char known[512];
    int length = lws_hdr_copy(wsi, known, sizeof known, WSI_TOKEN_HTTP_IF_NONE_MATCH);
    return length > 0 && (strstr(known, etag) != NULL || strcmp(known, "*") == 0);
}

static int answer_file(struct lws *wsi, trpi_http_request *request, const trpi_file *file) {
    headers out;
    bool fresh = is_fresh(wsi, file->etag);
    request->file = *file;
    request->is_open = true;
    request->left = fresh || is_head(wsi) ? 0 : file->size;
    begin(&out, wsi, fresh ? HTTP_STATUS_NOT_MODIFIED : HTTP_STATUS_OK);
    add(&out, "content-type:", file->type);
    add(&out, "etag:", file->etag);
    /* Kept by the browser, asked for each time: a new build shows at once. */
    add(&out, "cache-control:", "no-cache");
    add_protection(&out);
    if (!finish(&out, fresh ? 0 : file->size)) {
        return -1;
    }
    if (request->left == 0) {
        trpi_http_request_end(request);
        return complete(wsi);
    }
    lws_callback_on_writable(wsi);
    return 0;
}

static int answer_folder(struct lws *wsi, const char *path, size_t length) {
    headers out;
    char location[1024];
    if (length + 2 > sizeof location) {
        return trpi_http_answer_status(wsi, HTTP_STATUS_NOT_FOUND, "Not found.");
    }
    for (size_t i = 0; i < length; i++) {
        /* The path is decoded; what would need encoding again is not redirected. */
        if ((unsigned char)path[i] <= ' ' || (unsigned char)path[i] >= 0x7F || path[i] == '%') {
            return trpi_http_answer_status(wsi, HTTP_STATUS_NOT_FOUND, "Not found.");
        }
    }
    memcpy(location, path, length);
    memcpy(location + length, "/", 2);
    begin(&out, wsi, HTTP_STATUS_MOVED_PERMANENTLY);
    add(&out, "location:", location);
    return answer_text(wsi, &out, "text/plain; charset=utf-8", "");
}

int trpi_http_answer(struct lws *wsi, trpi_http_request *request, const char *path, size_t length) {
    char own[TRPI_ORIGIN_MAX];
    unsigned status;
    const char *text;
    trp_http_server *server = trpi_http_server_of(wsi);
    trpi_http_request_end(request);
    if (!trpi_http_check_host(wsi, own, &status, &text)) {
        return trpi_http_answer_status(wsi, status, text);
    }
    if (lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) <= 0 && !is_head(wsi)) {
        return trpi_http_answer_status(wsi, HTTP_STATUS_METHOD_NOT_ALLOWED, "GET and HEAD only.");
    }
    if (length == strlen(TRP_HTTP_TOKEN_PATH) && memcmp(path, TRP_HTTP_TOKEN_PATH, length) == 0) {
        return answer_token(wsi, own);
    }
    trpi_file file = {.fd = -1};
    trpi_found found = TRPI_FOUND_NOTHING;
    if (server->root_fd >= 0) {
        found = trpi_file_open(server->root_fd, path, length, &file);
    }
    switch (found) {
    case TRPI_FOUND_FILE:
        return answer_file(wsi, request, &file);
    case TRPI_FOUND_FOLDER:
        return answer_folder(wsi, path, length);
    case TRPI_FOUND_NOTHING:
        break;
    }
    return trpi_http_answer_status(wsi, HTTP_STATUS_NOT_FOUND, "Not found.");
}

int trpi_http_continue(struct lws *wsi, trpi_http_request *request) {
    if (!request->is_open) {
        return 0;
    }
    unsigned char *piece = trpi_http_server_of(wsi)->piece + LWS_PRE;
    size_t wanted = request->left < TRPI_HTTP_PIECE ? (size_t)request->left : TRPI_HTTP_PIECE;
    ssize_t got = read(request->file.fd, piece, wanted);
    if (got <= 0) {
        return -1; /* the file has shrunk: a cut answer is better than a wrong one */
    }
    request->left -= (uint64_t)got;
    bool is_last = request->left == 0;
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, TIMEOUT_S);
    if (lws_write(wsi, piece, (size_t)got, is_last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < 0) {
        return -1;
    }
    if (is_last) {
        trpi_http_request_end(request);
        return complete(wsi);
    }
    lws_callback_on_writable(wsi);
    return 0;
}

void trpi_http_request_end(trpi_http_request *request) {
    if (request->is_open) {
        close(request->file.fd);
        request->is_open = false;
    }
}
