/* The table of errors. */
#include "api_error.h"

#define API_ERROR_ROW(name_, status_, code_) [API_##name_] = {status_, code_},
const struct api_error_row api_errors[API_ERROR_COUNT] = {API_ERRORS(API_ERROR_ROW)};
