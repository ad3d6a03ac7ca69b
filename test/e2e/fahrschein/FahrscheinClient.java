// Fahrschein as an application uses it: only the address and the token are ours. Every line on stdout is one JSON value
// for the test (test/e2e/fahrschein.test.ts), what the client itself says goes to stderr.

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.HttpRetryException;
import java.net.URI;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.zalando.fahrschein.EventPublishingException;
import org.zalando.fahrschein.ExponentialBackoffStrategy;
import org.zalando.fahrschein.IOProblem;
import org.zalando.fahrschein.MetricsCollector;
import org.zalando.fahrschein.NakadiClient;
import org.zalando.fahrschein.StreamParameters;
import org.zalando.fahrschein.domain.Event;
import org.zalando.fahrschein.domain.Metadata;
import org.zalando.fahrschein.domain.Subscription;
import org.zalando.fahrschein.http.api.ContentEncoding;
import org.zalando.fahrschein.http.simple.SimpleRequestFactory;

public final class FahrscheinClient {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String APPLICATION = "shop";

  /** A business event of the type that the test declares: `number` is an integer there, and not negative. */
  public static final class Order implements Event {
    private final Metadata metadata;
    private final Integer number;

    @JsonCreator
    public Order(@JsonProperty("metadata") Metadata metadata, @JsonProperty("number") Integer number) {
      this.metadata = metadata;
      this.number = number;
    }

    @Override
    public Metadata getMetadata() {
      return metadata;
    }

    public Integer getNumber() {
      return number;
    }
  }

  private static NakadiClient client(String url, String token, ContentEncoding encoding) {
    SimpleRequestFactory requests = new SimpleRequestFactory(encoding);
    requests.setConnectTimeout(10_000);
    requests.setReadTimeout(30_000);
    return NakadiClient.builder(URI.create(url), requests).withAccessTokenProvider(() -> token).build();
  }

  private static Order order(int number) {
    String eid = UUID.randomUUID().toString();
    return new Order(new Metadata(eid, OffsetDateTime.now(ZoneOffset.UTC)), number);
  }

  private static List<Order> orders(int from, int to) {
    return IntStream.range(from, to).mapToObj(FahrscheinClient::order).collect(Collectors.toList());
  }

  private static synchronized void say(Object value) throws IOException {
    System.out.println(JSON.writeValueAsString(value));
    System.out.flush();
  }

  private static Map<String, Object> problem(IOProblem problem) {
    Map<String, Object> said = new LinkedHashMap<>();
    said.put("status", problem.getStatusCode());
    said.put("title", problem.getTitle());
    said.put("detail", problem.getDetail().orElse(null));
    return said;
  }

  /** Publishes, is refused, subscribes twice, and reads and commits what is there. */
  private static void journey(String url, String token, String type) throws IOException {
    Map<String, Object> found = new LinkedHashMap<>();
    NakadiClient zipped = client(url, token, ContentEncoding.GZIP);
    NakadiClient plain = client(url, token, ContentEncoding.IDENTITY);
    zipped.publish(type, orders(0, 12));
    plain.publish(type, orders(12, 20));
    List<Order> bad = new ArrayList<>(orders(20, 21));
    bad.add(order(-1));
    try {
      zipped.publish(type, bad);
    } catch (EventPublishingException error) {
      found.put(
          "refused",
          List.of(error.getResponses()).stream()
              .map(one -> List.of(one.getPublishingStatus(), one.getStep(), one.getEid().length()))
              .collect(Collectors.toList()));
      found.put("why", error.getResponses()[1].getDetail());
    }
    try {
      zipped.publish("fahrschein.unknown", orders(0, 1));
    } catch (IOProblem error) {
      found.put("unknown", problem(error));
    }
    try {
      client(url, "no token of Muara", ContentEncoding.GZIP).publish(type, orders(0, 1));
    } catch (HttpRetryException error) {
      found.put("stranger", error.responseCode()); // what Java's own client makes of 401 to a streamed body
    }
    found.put(
        "partitions",
        zipped.getPartitions(type).stream().map(one -> one.getPartition()).collect(Collectors.toList()));
    Subscription made = zipped.subscription(APPLICATION, type).withConsumerGroup("one").readFromBegin().subscribe();
    Subscription again = zipped.subscription(APPLICATION, type).withConsumerGroup("one").readFromBegin().subscribe();
    found.put("same", made.getId().equals(again.getId()));
    found.put("id", made.getId());
    List<Integer> numbers = new ArrayList<>();
    List<Object> enriched = new ArrayList<>();
    zipped
        .stream(made)
        .withStreamParameters(
            new StreamParameters().withBatchLimit(4).withBatchFlushTimeout(1).withMaxUncommittedEvents(8))
        .listen(
            Order.class,
            events -> {
              for (Order one : events) numbers.add(one.getNumber());
              Metadata metadata = events.get(0).getMetadata();
              enriched.add(
                  List.of(metadata.getEventType(), metadata.getVersion(), metadata.getReceivedAt() != null));
              if (numbers.size() < 20) return;
              found.put("numbers", numbers.stream().sorted().collect(Collectors.toList()));
              found.put("enriched", enriched.stream().distinct().collect(Collectors.toList()));
              say(found);
              // Every batch but this one is committed. (To close a stream, Java's client reads it to its end.)
              Runtime.getRuntime().halt(0);
            });
  }

  /** Says the numbers of every batch, and when it had to connect again; goes on until it is killed. */
  private static void consume(String url, String token, String type) throws IOException {
    NakadiClient client = client(url, token, ContentEncoding.GZIP);
    Subscription subscription =
        client.subscription(APPLICATION, type).withConsumerGroup("two").readFromBegin().subscribe();
    say(Map.of("id", subscription.getId()));
    client
        .stream(subscription)
        .withStreamParameters(new StreamParameters().withBatchLimit(1).withBatchFlushTimeout(1).withCommitTimeout(10))
        .withBackoffStrategy(new ExponentialBackoffStrategy(100, 1.5, 1_000L, -1))
        .withMetricsCollector(new Reconnections())
        .listen(
            Order.class,
            events -> say(Map.of("numbers", events.stream().map(Order::getNumber).collect(Collectors.toList()))));
  }

  private static final class Reconnections implements MetricsCollector {
    @Override
    public void markMessageReceived() {}

    @Override
    public void markEventsReceived(int events) {}

    @Override
    public void markErrorWhileConsuming() {}

    @Override
    public void markReconnection() {
      try {
        say(Map.of("reconnected", true));
      } catch (IOException error) {
        throw new IllegalStateException(error);
      }
    }

    @Override
    public void markMessageSuccessfullyProcessed() {}
  }

  public static void main(String[] args) throws IOException {
    if (args[0].equals("journey")) journey(args[1], args[2], args[3]);
    else consume(args[1], args[2], args[3]);
  }
}
