# A search from R: `Rscript search.R 30` ends with 30 trials, however often it was killed on the way.
suppressPackageStartupMessages(library(jsonlite))

# R can't both write to a program and read from it: the requests go through a named pipe.
requests_at <- tempfile("requests-")
stopifnot(system2("mkfifo", shQuote(requests_at)) == 0)
answers <- pipe(paste("exec journaltune serve --stdio <", shQuote(requests_at)), "r")
requests <- fifo(requests_at, "w", blocking = TRUE)
invisible(file.remove(requests_at))

# jsonlite prints 15 digits of a number; 17, as text, are all of them.
number <- function(x) unbox(sprintf("%.17g", x))

# The answer to a call: its result, or its error.
answer <- function(method, ...) {
  request <- list(jsonrpc = unbox("2.0"), id = unbox(1), method = unbox(method), params = list(...))
  writeLines(toJSON(request), requests)
  line <- readLines(answers, 1)
  if (length(line) == 0) stop("the server is gone", call. = FALSE)
  fromJSON(line)
}

call <- function(...) {
  answer <- answer(...)
  if (!is.null(answer$error)) stop(answer$error$message, call. = FALSE)
  answer$result
}

# The loss after each of four steps; NULL when the trial is not worth going on.
train <- function(number, x, y) {
  for (step in 1:4) {
    loss <- (x - 0.3) * (x - 0.3) + (y + 0.2) * (y + 0.2) + 1 / step
    if (call("report", number = unbox(number), step = unbox(step), value = number(loss)) == "prune") return(NULL)
  }
  loss
}

trials <- as.integer(c(commandArgs(trailingOnly = TRUE), "30")[1])
param <- list(x = unbox("float(-1, 1)"), y = unbox("float(-1, 1)"))
invisible(call("create", param = param, sampler = unbox("tpe"), seed = unbox(42), exist_ok = unbox(TRUE)))
repeat {
  asked <- answer("ask", trials = unbox(trials))
  if (identical(asked$error$code, 11L)) break # nothing left to ask
  if (!is.null(asked$error)) stop(asked$error$message, call. = FALSE)
  trial <- asked$result
  loss <- train(trial$number, trial$params$x, trial$params$y)
  if (is.null(loss)) {
    invisible(call("tell", number = unbox(trial$number), state = unbox("pruned")))
  } else {
    invisible(call("tell", number = unbox(trial$number), value = number(loss)))
  }
}
best <- call("best")
cat(sprintf("best: trial %d with %.17g\n", best$number, best$value))
close(requests)
invisible(close(answers))
