# SPDX-License-Identifier: MIT
set(conformance ${PROJECT_SOURCE_DIR}/tests/conformance)

dhow_test(ofi ofi_test.c LIBS dhow_hsta_ofi)
dhow_test(ofi_peers ofi_peers_test.c ${conformance}/fabric_side.c LIBS dhow_hsta_ofi)
target_include_directories(test_ofi_peers PRIVATE ${conformance})

# Preloaded, it imposes the rules of cxi and injects faults; see there.
add_library(cxi_strict MODULE ${PROJECT_SOURCE_DIR}/tests/support/cxi_strict.c
  ${PROJECT_SOURCE_DIR}/tests/support/cxi_strict_data.c)
set_target_properties(cxi_strict PROPERTIES PREFIX "")
target_link_libraries(cxi_strict PRIVATE PkgConfig::OFI ${CMAKE_DL_LIBS})

# under_rules(name target [ARGS args...] [SETTINGS settings...]) - the test program TARGET again
function(under_rules name target)
  cmake_parse_arguments(arg "" "" "ARGS;SETTINGS" ${ARGN})
  add_test(NAME ${name} COMMAND $<TARGET_FILE:test_${target}> ${arg_ARGS})
  set_tests_properties(${name} PROPERTIES TIMEOUT 240 LABELS unit
    ENVIRONMENT "${DHOW_TEST_ENVIRONMENT};LD_PRELOAD=$<TARGET_FILE:cxi_strict>;\
ASAN_OPTIONS=verify_asan_link_order=0;CXI_STRICT_EXPECTED=1;${arg_SETTINGS}")
endfunction()

if(NOT DHOW_SANITIZE STREQUAL "thread")
  add_executable(test_ofi_rules ofi_rules_test.c)
  add_executable(test_ofi_faults ofi_faults_test.c ${conformance}/fabric_side.c)
  foreach(program ofi_rules ofi_faults)
    set_target_properties(test_${program} PROPERTIES OUTPUT_NAME ${program})
    target_include_directories(test_${program} PRIVATE ${PROJECT_SOURCE_DIR}/channels ${conformance})
    target_link_libraries(test_${program} PRIVATE dhow_hsta_ofi PkgConfig::CRITERION ${CMAKE_DL_LIBS})
  endforeach()
  under_rules(ofi_rules ofi_rules)
  under_rules(ofi_peers_cxi ofi_peers ARGS --filter *border SETTINGS CXI_STRICT_EAGAIN=7)
  under_rules(ofi_faults ofi_faults SETTINGS CXI_STRICT_ERROR=40)
  under_rules(ofi_conformance_cxi ofi_conformance ARGS --filter ofi_rxm/*)
  under_rules(ofi_conformance_refused ofi_conformance ARGS --filter ofi_rxm/*
    SETTINGS CXI_STRICT_EAGAIN=7)
  under_rules(ofi_conformance_delayed ofi_conformance ARGS --filter ofi_rxm/*
    SETTINGS CXI_STRICT_DELAY=5)
  under_rules(ofi_conformance_raw ofi_conformance ARGS --filter ofi_rxm/*
    SETTINGS CXI_STRICT_RAW=1 CXI_STRICT_EAGAIN=5 CXI_STRICT_DELAY=2)
  # A minute each with a sanitizer, which sees nothing new in the second and third.
  if(DHOW_SANITIZE)
    set_tests_properties(ofi_conformance_delayed ofi_conformance_raw PROPERTIES
      LABELS "unit;long")
  endif()
endif()

add_executable(ofi_rate ofi_rate.c)
target_link_libraries(ofi_rate PRIVATE dhow_hsta_ofi)

# Whole agents: twelve ranks on four nodes, each byte checked.
if(TARGET dlaunch AND TARGET bench_exchange AND NOT DHOW_SANITIZE)
  set(agents "DHOW_HSTA_FABRIC=ofi" "DHOW_HSTA_PROVIDER=tcp\\;ofi_rxm")
  set(exchange $<TARGET_FILE:dlaunch> -n 4 -N 3 --transport hsta $<TARGET_FILE:bench_exchange> --quick)
  add_test(NAME ofi_exchange COMMAND ${exchange})
  add_test(NAME ofi_exchange_cxi COMMAND ${exchange})
  set_tests_properties(ofi_exchange PROPERTIES TIMEOUT 120 LABELS unit ENVIRONMENT "${agents}")
  set_tests_properties(ofi_exchange_cxi PROPERTIES TIMEOUT 120 LABELS unit ENVIRONMENT
    "${agents};LD_PRELOAD=$<TARGET_FILE:cxi_strict>;CXI_STRICT_EAGAIN=7;CXI_STRICT_DELAY=3")
endif()
